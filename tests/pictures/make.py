"""Make the pictures that test_picture.c reads.

PNG files show 7 x 5 pixels of (36x, 60y, 20(x + y)), JPEG files 32 x 24 pixels
of a smooth gradient; orient_N.jpg is stored so that Exif orientation N shows
the same as upright.jpg, and orient_6.png as rgb8.png. Needs Pillow and NumPy; run in this directory.
"""
import os
import struct
import subprocess
import zlib

import numpy as np
from PIL import Image


def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body)))


def png(name, rows, width, height, depth, kind, interlace=0, extra=b""):
    """Write raw scanlines (without filter bytes) as a PNG file."""
    raw = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0,
                         interlace)
    with open(name, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra
                + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


W, H = 7, 5
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([36 * x, 60 * y, 20 * (x + y)], -1).astype(np.uint8)
grey = rgb[..., 2]
alpha = np.where((x + y) % 2 == 0, 255, 51).astype(np.uint8)

png("rgb8.png", [r.tobytes() for r in rgb], W, H, 8, 2)
png("rgb16.png", [(r.astype(">u2") * 257).tobytes() for r in rgb], W, H, 16, 2)
png("grey8.png", [r.tobytes() for r in grey], W, H, 8, 0)
png("grey16.png", [(r.astype(">u2") * 257).tobytes() for r in grey], W, H, 16,
    0)
bits = np.packbits((x + y) % 2 == 0, axis=1)
png("grey1.png", [r.tobytes() for r in bits], W, H, 1, 0)
png("rgba8.png",
    [r.tobytes() for r in np.concatenate([rgb, alpha[..., None]], -1)], W, H,
    8, 6)
png("grey_alpha8.png",
    [r.tobytes() for r in np.stack([grey, alpha], -1)], W, H, 8, 4)
png("transparent_black.png", [r.tobytes() for r in rgb], W, H, 8, 2,
    extra=chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0)))
palette = rgb.reshape(-1, 3)
index = np.arange(W * H, dtype=np.uint8).reshape(H, W)
png("palette8.png", [r.tobytes() for r in index], W, H, 8, 3,
    extra=chunk(b"PLTE", palette.tobytes()))
greys = np.repeat(grey.reshape(-1, 1), 3, 1)
png("palette_grey.png", [r.tobytes() for r in index], W, H, 8, 3,
    extra=chunk(b"PLTE", greys.tobytes()))
passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
          (1, 0, 2, 2), (0, 1, 1, 2)]
rows = [r.tobytes() for x0, y0, dx, dy in passes
        for r in rgb[y0::dy, x0::dx] if r.size]
png("interlaced.png", rows, W, H, 8, 2, interlace=1)
def tiff_of(n):
    """Exif data with nothing but orientation n."""
    order = "<" if n % 2 else ">"
    return ((b"II" if n % 2 else b"MM") + struct.pack(order + "HI", 42, 8)
            + struct.pack(order + "H", 1)
            + struct.pack(order + "HHIHHI", 0x112, 3, 1, n, 0, 0))


png("orient_6.png", [r.tobytes() for r in np.rot90(rgb)], H, W, 8, 2,
    extra=chunk(b"eXIf", tiff_of(6)))
png("bomb.png", [b""], 100000, 100000, 8, 2)
png("no_pixels.png", [], 0, 4, 8, 2)

y, x = np.mgrid[0:24, 0:32]
smooth = np.stack([8 * x, 10 * y, 255 - 4 * x - 5 * y], -1).astype(np.uint8)
upright = Image.fromarray(smooth)
save = dict(quality=95, subsampling=0)
upright.save("upright.jpg", **save)
upright.convert("L").save("grey.jpg", quality=95)
upright.convert("CMYK").save("cmyk.jpg", **save)
upright.save("progressive.jpg", progressive=True, **save)
# Chroma at a quarter of the width and half of the height, which TurboJPEG has no
# name for (cjpeg: Debian's libjpeg-turbo-progs).
upright.save("upright.ppm")
subprocess.run(["cjpeg", "-quality", "95", "-sample", "4x2", "-outfile",
                "sampled_4x2.jpg", "upright.ppm"], check=True)
os.remove("upright.ppm")
stored = {
    1: smooth, 2: smooth[:, ::-1], 3: smooth[::-1, ::-1], 4: smooth[::-1],
    5: smooth.transpose(1, 0, 2), 6: np.rot90(smooth), 8: np.rot90(smooth, -1),
    7: smooth[::-1, ::-1].transpose(1, 0, 2),
}
for n, pixels in stored.items():
    Image.fromarray(np.ascontiguousarray(pixels)).save(
        f"orient_{n}.jpg", exif=b"Exif\0\0" + tiff_of(n), **save)
