"""Files that aren't a valid eph.yaml at all. What is wrong, then what to do."""

from __future__ import annotations

# --- YAML


def file_too_long(size: int) -> str:
    return f"the file is {size:,} bytes long"


def at_most_kilobytes(size: int) -> str:
    return f"use at most {size} KiB"


def not_utf_8(byte: int) -> str:
    return f"byte 0x{byte:02x} is not UTF-8"


SAVE_AS_UTF_8 = "save the file as UTF-8"
TAB = "a tab where YAML requires spaces"
INDENT_WITH_SPACES = "indent with spaces"


def not_yaml(reason: str) -> str:
    return f"invalid YAML: {reason}"


CHARACTER_NOT_ALLOWED = "a character that YAML does not allow"
REMOVE_CHARACTERS = "remove non-printable characters"
INVALID_YAML = "invalid YAML from about this line on"
CHECK_ESCAPES = "check escapes and brackets"
SECOND_DOCUMENT = "a second document starts here"
KEEP_ONE_DOCUMENT = "keep one document in the file"
DIRECTIVE = "a YAML directive"
REMOVE_DIRECTIVE = "remove the line that starts with %"
NESTED_TOO_DEEPLY = "values are nested too deeply"


def nesting_limit(levels: int) -> str:
    return f"nest at most {levels} levels"


INVALID_CHARACTER = "an invalid character (NUL or half of a surrogate pair)"
REMOVE_ESCAPE = "remove the escape"


def unknown_anchor(anchor: str) -> str:
    return f"the anchor &{anchor} is not defined before this point"


def duplicate_key(key: str, line: int) -> str:
    return f"duplicate key `{key}`, first used on line {line}"


KEEP_ONE = "keep one of the two"
KEY_NOT_TEXT = "a key that is not text"
NAME_BEFORE_COLON = "use a name before the colon"


def tag(tag: str) -> str:
    return f"a tag, {tag}"


REMOVE_TAG = "remove the tag that starts with !"


def size_limit(values: int, levels: int) -> str:
    return f"use at most {values:,} values and {levels} levels; aliases count in full"


FILE_TOO_LARGE = "the file is too large"


# --- Keys and values

USE_TEXT = "use text, in quotes if necessary"
WHOLE_NUMBER = "a whole number"
USE_DIGITS = "use digits without quotes"
USE_BOOLEAN = "use true or false"
USE_LIST = "use a list, with each item on a line that starts with a dash"
USE_MAPPING = "use keys and values, as in `key: value`"


def missing(key: str) -> str:
    return f"{key} is missing"


def unknown_key(key: str) -> str:
    return f"unknown key `{key}`"


NOT_A_MAPPING = "the file is not a mapping"
START_OF_FILE = 'start with version: "1.0" and name'


def differs(given: str, wanted: str) -> str:
    return f"{given} is not {wanted}"


def not_allowed(given: str) -> str:
    return f"{given} is not allowed here"


ADD_TYPE = "add type: pr_label, branch, tag or comment"
EMPTY_LIST = "the list is empty"
FILL_LIST = "add at least one item or remove the key"


def invalid(given: str) -> str:
    return f"{given} is not valid"


def add_it(description: str) -> str:
    return f"add it: {description}"


def did_you_mean(name: str) -> str:
    return f"did you mean `{name}`?"


def allowed_keys(keys: str) -> str:
    return f"allowed here: {keys}"
