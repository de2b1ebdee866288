"""A page on this machine to play with trained models: text streams in, two settings side by side.

`writing` makes the text, `knobs` the values that may be moved, `shown` the HTML; `page` alone knows
gradio.
"""
