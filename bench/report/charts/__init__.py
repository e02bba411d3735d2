"""Charts, each defined once by Altair (Vega-Lite): the page shows them, files.py writes them as SVG, PNG and PDF.

A chart is a function from rows (dictionaries) to a specification. Ink is ``currentColor``, so that one chart reads on
light and dark ground. One model has one mark everywhere (style.py).
"""
