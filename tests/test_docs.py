"""The pages refer to what exists, and say the same in both languages."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Set, Tuple

import pytest
from doc_pages import API, BLOCK, HEADERS, PAGES, READMES, ROOT, blocks_of, named_blocks, tables, text_of

IN_BOTH_LANGUAGES = [
    tuple(READMES),
    tuple(API),
    ("docs/overview.md", "docs/zh/overview.md"),
    ("docs/text-calls.md", "docs/zh/text-calls.md"),
]


def anchors(page: Path) -> Set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_lead_somewhere(page: str) -> None:
    """Every link to a file of the checkout names a file that is there, and an anchor that it has."""
    for target in re.findall(r"\]\(([^)\s]+)\)", BLOCK.sub("", text_of(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_the_tour_names_files_that_exist() -> None:
    """Each source file that docs/design.md names is there."""
    names = set(re.findall(r"`((?:\w+/)*\w+\.(?:py|h))`", text_of("docs/design.md")))
    missing = [
        name
        for name in names
        if not (ROOT / "src/tech_renaissance" / name).exists() and not (HEADERS / name).exists()
    ]

    assert [] == missing


def test_every_decision_is_listed() -> None:
    """The index of the decisions has each of them, under its title."""
    folder = ROOT / "docs" / "decisions"
    titles = [
        (path.name, path.read_text(encoding="utf-8").splitlines()[0].partition(": ")[2])
        for path in sorted(folder.glob("0*.md"))
    ]

    assert titles == re.findall(r"\((0[\w.-]+)\) \| (.+) \|", text_of("docs/decisions/README.md"))


@pytest.mark.parametrize("pages", IN_BOTH_LANGUAGES)
def test_pages_in_both_languages_have_the_same_structure(pages: Tuple[str, str]) -> None:
    """As many headings of the same levels, the same code blocks, tables of the same size, and links to the same pages, in the same order."""
    english, chinese = (BLOCK.sub("", text_of(page)) for page in pages)

    assert blocks_of(pages[0]) == blocks_of(pages[1])
    assert [len(rows) for rows in tables(english)] == [len(rows) for rows in tables(chinese)]
    for pattern in (r"^(#+) ", r"^(- )", r"^<!--.*", r"\]\(((?:\.\./)?(?!README)[\w/-]+\.md)"):
        find = re.compile(pattern, re.MULTILINE)
        assert find.findall(english) == find.findall(
            chinese.replace("docs/zh/", "docs/").replace("(../", "(")
        ), pattern


def test_torch_is_not_needed_for_the_readmes_worker() -> None:
    """The first program a user tries runs where PyTorch is missing: it imports nothing but the package."""
    imports = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(named_blocks("README.md")["worker.py"]))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }

    assert {"os", "sys", "time", "tech_renaissance"} == imports
    assert importlib.util.find_spec("tech_renaissance") is not None
