from hypothesis import given
from hypothesis import strategies as st

from recurrence.reporting.labels import Mark, place

SIZE = (320, 210)
MARKS = st.lists(
    st.builds(
        Mark,
        text=st.text("abc_", min_size=1, max_size=25),
        x=st.floats(0, 320),
        y=st.floats(0, 210),
        family=st.sampled_from("fgh"),
    ),
    max_size=30,
)


def test_a_lone_mark_is_named_to_its_right() -> None:
    (label,) = place([Mark("greedy", 50, 100, "f")], SIZE)
    assert (label.text, label.align, label.x, label.y) == ("greedy", "left", 59, 100)


def test_at_the_right_edge_the_name_goes_left() -> None:
    (label,) = place([Mark("greedy", 318, 100, "f")], SIZE)
    assert label.align == "right"


def test_every_family_is_named_before_any_twice() -> None:
    marks = [Mark(f"f{i}", 20, 12 * i + 10, "f") for i in range(15)] + [Mark("g", 200, 100, "g")]
    assert "g" in {label.text for label in place(marks, SIZE)}


@given(MARKS)
def test_labels_touch_neither_one_another_nor_marks_nor_the_edge(marks: list[Mark]) -> None:
    labels = place(marks, SIZE)
    boxes = [label.box for label in labels]
    assert all(x0 >= 0 and x1 <= 320 and y0 >= 0 and y1 <= 210 for x0, y0, x1, y1 in boxes)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        assert all(x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0 for a0, b0, a1, b1 in boxes[:i])
        own = labels[i].text
        assert not any(x0 < m.x < x1 and y0 < m.y < y1 for m in marks if m.text != own)
