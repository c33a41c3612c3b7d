"""Front door: files in, tables out."""
