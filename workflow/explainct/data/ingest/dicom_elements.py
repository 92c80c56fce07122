"""Single elements of a DICOM header: present, of the expected form, or a problem that says what is there instead."""

import math
import re
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

UID = re.compile(r"[0-9.]{1,64}")
LONGEST = 100
"""Characters of an unexpected value that a message shows."""


class HeaderError(Exception):
    """What is wrong with one file, as the end of a sentence that begins with the file's name."""


def element(dataset: Dataset, keyword: str) -> Any:
    """Return the value of an element.

    Raises:
        HeaderError: the element is missing, empty or malformed.
    """
    if keyword not in dataset or dataset.get_item(keyword).value in (None, b"", ""):
        raise HeaderError(f"has no {keyword} in its header")
    try:
        return dataset[keyword].value
    except Exception:  # pydicom's errors for malformed values are of many kinds
        raise unexpected(keyword, dataset.get_item(keyword).value, "another kind of value") from None


def values(dataset: Dataset, keyword: str) -> list[Any]:
    """Return the values of an element, which may have one or several.

    Raises:
        HeaderError: the element is missing, empty or malformed.
    """
    value = element(dataset, keyword)
    return list(value) if isinstance(value, MultiValue) else [value]


def numbers(dataset: Dataset, keyword: str, count: int = 1) -> tuple[float, ...]:
    """Return the `count` numbers of an element.

    Raises:
        HeaderError: the element is missing, or holds anything but `count` finite numbers.
    """
    written = values(dataset, keyword)
    expected = f"{count} finite number{'s' if count > 1 else ''}"
    try:
        result = [float(value) for value in written]
    except (ValueError, TypeError):
        raise unexpected(keyword, written, expected) from None
    if len(result) != count or not all(math.isfinite(value) for value in result):
        raise unexpected(keyword, result, expected)
    return tuple(result)


def uid(dataset: Dataset, keyword: str) -> str:
    """Return a UID: 1 to 64 digits and dots.

    Raises:
        HeaderError: the element is missing or no UID.
    """
    value = str(element(dataset, keyword))
    if not UID.fullmatch(value):
        raise unexpected(keyword, value, "a UID of 1 to 64 digits and dots")
    return value


def unexpected(keyword: str, value: object, expected: str) -> HeaderError:
    """Return the error that an element has another value than expected."""
    single = value[0] if isinstance(value, list) and len(value) == 1 else value
    return HeaderError(f"has {keyword} {shown(single)} in its header (expected {expected})")


def shown(value: object) -> str:
    """Return a value of a header as a message shows it: on one line and not at any length."""
    return repr(value)[:LONGEST]
