"""Make pictures in class folders: photos.py DIRECTORY NUMBER

Two classes, owl and wren, 24 x 20 pixels: stripes that rise and stripes that
fall, of many colours.
"""
import os
import random
import struct
import sys
import zlib

WIDTH, HEIGHT = 24, 20


def chunk(kind, body):
    return (struct.pack(">I", len(body)) + kind + body
            + struct.pack(">I", zlib.crc32(kind + body)))


def picture(rises, draw):
    """PNG bytes of one."""
    colours = [[draw.randrange(256) for _ in range(3)] for _ in range(2)]
    phase = draw.randrange(8)
    rows = b""
    for y in range(HEIGHT):
        rows += b"\0"
        for x in range(WIDTH):
            place = (x + (y if rises else -y) + phase) // 4 % 2
            rows += bytes(min(255, max(0, value + draw.randrange(-9, 10)))
                          for value in colours[place])
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    directory, number = sys.argv[1], int(sys.argv[2])
    draw = random.Random(number)
    for name, rises in (("owl", True), ("wren", False)):
        folder = os.path.join(directory, name)
        os.makedirs(folder, exist_ok=True)
        for i in range(number):
            with open(os.path.join(folder, f"{i}.png"), "wb") as file:
                file.write(picture(rises, draw))


main()
