"""What a function computes, as text: its instructions, without comments, places in a file or documentation."""

import dis
from collections.abc import Iterator
from types import CodeType
from typing import Any

_NO_MEANING = frozenset(["NOP", "EXTENDED_ARG", "CACHE"])  # they come and go with the layout of the source
_HAS_DOCSTRING = 0x4000000  # a flag since Python 3.13
_JUMPS = frozenset([*dis.hasjrel, *dis.hasjabs])
_READ_GLOBAL = frozenset(["LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"])
_READ_ATTRIBUTE = frozenset(["LOAD_ATTR", "LOAD_METHOD"])


def text_of_code(code: CodeType) -> str:
    """All that decides what code does, names of its own variables included; nested functions with it.

    >>> def one(x):
    ...     return x + 1
    >>> def two(x):  # the same
    ...     '''Documented.'''
    ...
    ...     return x + 1
    >>> text_of_code(one.__code__) == text_of_code(two.__code__)
    True
    """
    instructions = [each for each in dis.get_instructions(code) if each.opname not in _NO_MEANING]
    numbers = _numbers_of(code)
    lines = [f"{each.opname} {_argument(each, numbers)}" for each in instructions]
    entries: Any = vars(dis.Bytecode(code))["exception_entries"]  # stubs do not have it
    caught = [
        (*(numbers[offset] for offset in (entry.start, entry.end, entry.target)), entry.depth, entry.lasti)
        for entry in entries
    ]
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING)
    head = [str(each) for each in (counts, code.co_varnames, code.co_cellvars, code.co_freevars, caught)]
    return "\n".join([*head, *lines])


def names_read(code: CodeType) -> list[tuple[str, ...]]:
    """Global names that code reads, each with the attributes that it reads of it at once: ("F", "relu") for `F.relu`.

    >>> names_read((lambda x: len(x) + dis.hasjrel.index(x)).__code__)
    [('len',), ('dis', 'hasjrel', 'index')]
    """
    found: dict[tuple[str, ...], None] = {}
    for each in _all_codes(code):
        chain: tuple[str, ...] = ()
        for instruction in dis.get_instructions(each):
            if chain and instruction.opname in _READ_ATTRIBUTE:
                chain = (*chain, instruction.argval)
            elif instruction.opname not in _NO_MEANING:
                if chain:
                    found[chain] = None
                chain = (instruction.argval,) if instruction.opname in _READ_GLOBAL else ()
    return list(found)


def modules_imported(code: CodeType) -> list[str]:
    """Names of the modules that code imports when it runs."""
    instructions = [instruction for each in _all_codes(code) for instruction in dis.get_instructions(each)]
    return list(dict.fromkeys(each.argval for each in instructions if each.opname == "IMPORT_NAME"))


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_codes(constant)


def _numbers_of(code: CodeType) -> dict[int, int]:
    """The number of the first instruction with a meaning at or behind each place."""
    numbers, count = {}, 0
    for each in dis.get_instructions(code):
        numbers[each.offset] = count
        count += each.opname not in _NO_MEANING
    return _with_gaps(numbers, count, len(code.co_code))


def _with_gaps(numbers: dict[int, int], count: int, size: int) -> dict[int, int]:
    """Places between instructions, where inline caches lie, belong to the next one; the end is behind the last."""
    number, filled = count, {}
    for offset in range(size, -1, -1):
        number = numbers.get(offset, number)
        filled[offset] = number
    return filled


def _argument(instruction: dis.Instruction, numbers: dict[int, int]) -> str:
    if instruction.opcode in _JUMPS:
        return str(numbers[instruction.argval])
    return _constant(instruction.argval) if instruction.argval is not None else str(instruction.arg)


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return f"code {value.co_name} {text_of_code(value)}"
    if isinstance(value, frozenset):  # in no order that is the same in two processes
        return f"frozenset({sorted(map(_constant, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return repr(value)
