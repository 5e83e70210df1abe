"""Supported image file formats, and descriptions of unsupported files."""

import os

# Files with these extensions count as images. Some installations of Pillow cannot read
# HEIC and AVIF files. These are included nevertheless, because an error is better than
# silently ignoring photographs.
EXTENSIONS = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg"),
    *(".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
)

# Pillow detects a file's format from its content, not from its name. Allow only these
# formats, so that an untrusted file cannot, for example, start the PostScript
# interpreter that Pillow calls for EPS files.
PILLOW_FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "PPM", "JPEG2000", "MPO"),
    *("TGA", "AVIF", "HEIF", "HEIC"),
)

RAW = (
    "a camera raw file, which Pillow cannot read; develop it to TIFF, PNG or JPEG, for "
    "example with rawpy"
)
_PDF = "a PDF document, not an image; export its pages as PNG"
_PHOTOSHOP = "a Photoshop file; export it as PNG or TIFF"
_POSTSCRIPT = (
    "a PostScript file, which is not read, because that would run a program; export it "
    "as PNG"
)
_SVG = "an SVG drawing, which has no pixels; export it as PNG"
_DICOM = "a DICOM file; read it with pydicom, or convert it to PNG or TIFF"

# Extensions of image files that are ignored in folders, with a description of each.
UNSUPPORTED_EXTENSIONS = {
    ".dcm": _DICOM,
    ".eps": _POSTSCRIPT,
    ".jxl": "a JPEG XL image; convert it to PNG or JPEG",
    ".pdf": _PDF,
    ".psb": _PHOTOSHOP,
    ".psd": _PHOTOSHOP,
    ".svg": _SVG,
    **dict.fromkeys(
        (
            *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef"),
            *(".raf", ".raw", ".rw2", ".srw", ".x3f"),
        ),
        RAW,
    ),
}

# Pairs of a file's first bytes and a description of its content.
_SIGNATURES = (
    (b"%PDF-", _PDF),
    (b"8BPS", _PHOTOSHOP),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\x00", RAW),
    (b"FOVb", RAW),
    (b"\xff\x0a", UNSUPPORTED_EXTENSIONS[".jxl"]),
    (b"\x00\x00\x00\x0cJXL ", UNSUPPORTED_EXTENSIONS[".jxl"]),
    (b"\x93NUMPY", "a NumPy array; load it with numpy.load"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (
        b"version https://git-lfs",
        "a placeholder of Git LFS; run git lfs pull to download the image",
    ),
)
_HEIC_BRANDS = frozenset(
    (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
)


def describe_content(file):
    """Describe the content of a file that Pillow cannot identify, and suggest a remedy.

    The description is based on the content, not on the extension.

    Parameters
    ----------
    file : str

    Returns
    -------
    str or None
        A noun phrase such as "a PDF document, ...". None if the content is unknown.
    """
    with open(file, "rb") as stream:
        head = stream.read(2048)
    for signature, description in _SIGNATURES:
        if head.startswith(signature):
            return description
    if head[4:8] == b"ftyp":
        return _describe_media(head)
    if head[128:132] == b"DICM":
        return _DICOM
    if head[:4] in (b"II*\x00", b"MM\x00*"):
        extension = os.path.splitext(file)[1].lower()
        if head[8:10] == b"CR" or UNSUPPORTED_EXTENSIONS.get(extension) == RAW:
            return RAW
        return (
            "a TIFF whose type of pixels Pillow cannot read, for example 64-bit floats "
            "or several channels of floats; save it as 8- or 16-bit integers, or as "
            "32-bit floats with one channel"
        )
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML), perhaps of a failed download; download it again"
    if text.startswith((b"<svg", b"<?xml", b"<!--", b"<!doctype svg")) and (
        b"<svg" in text
    ):
        return _SVG
    return None


def _describe_media(head):
    """Describe a file that starts with an "ftyp" box, which lists its formats."""
    end = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(end, 512), 4))}
    if brands & {b"avif", b"avis"}:
        return (
            "an AVIF image, and it is corrupt or this installation of Pillow cannot "
            "read AVIF; install Pillow 11.3 or later (pip install -U pillow), or "
            "install pillow-avif-plugin and import pillow_avif"
        )
    if brands & _HEIC_BRANDS:
        return (
            "a HEIC image, which Pillow can only read with a plug-in; install "
            "pillow-heif (pip install pillow-heif), and call "
            "pillow_heif.register_heif_opener() before loading"
        )
    if b"crx " in brands:
        return RAW
    return "a video, not an image; extract its frames first"
