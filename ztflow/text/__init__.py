"""Text made safe and readable: escapes and formats."""
