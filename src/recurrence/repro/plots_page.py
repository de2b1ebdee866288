"""The page that `dvc plots show` fills: with Vega in it, so that a browser asks no host for
anything.

dvc's own page loads Vega from a CDN. Ours is made from what vl-convert brings, beside the templates
in .dvc/plots, and named in .dvc/config.local; git has neither, so that a clone without them has
dvc's own page and no error.
"""

from pathlib import Path

from dvc.config import Config

from recurrence import files

PAGE = Path("plots/page.html")
"""From .dvc/, as dvc looks it up."""
HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<style>body { font-family: sans-serif; } table { border-spacing: 15px; }</style>
<script>
"""
BODY = """
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def prepare(root: Path) -> None:
    """Write the page and name it to dvc, unless that is done, another page is named, or dvc is not
    at home here.
    """
    if (root / ".dvc" / PAGE).is_file() or not (root / ".dvc").is_dir():
        return
    config = Config(str(root / ".dvc"), validate=False)
    if config.get("plots", {}).get("html_template"):
        return
    import vl_convert

    bundle = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its types want a snippet
    files.write_text(root / ".dvc" / PAGE, HEAD + bundle + BODY)
    with config.edit("local") as local:
        local.setdefault("plots", {})["html_template"] = PAGE.as_posix()
