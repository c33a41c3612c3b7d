"""The traffic map: a layout in boxes, drawn as SVG, and a self-contained HTML page around it."""
