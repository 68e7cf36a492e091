"""Small whole files of the kinds that are evidence, and how to make others."""

import io

from PIL import Image

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
    b"trailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
)


def picture(kind: str, **options: object) -> bytes:
    """A picture of 40 by 30 pixels, in a format that Pillow knows."""
    made = io.BytesIO()
    Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 20).convert("RGB").save(made, kind, **options)
    return made.getvalue()
