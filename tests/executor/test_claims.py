"""What the claims ledger accepts, and what it makes of marks in prose."""

import re
from collections import Counter
from datetime import date
from pathlib import Path

import markdown
import pytest
import yaml
from bs4 import BeautifulSoup

from executor import claims
from executor.claims import ClaimError, Ledger

MONEY = {
    "id": "series-d",
    "statement": "It raised $235 million in `2023`.",
    "as_of": "2023-08-24",
    "source": "Reuters: a | report",
    "url": "https://example.org/a?b=1&c=2",
    "verified": "second-hand",
    "timeline": "Series D",
    "category": "money",
}
PARIS = {
    "id": "founded-paris",
    "statement": "It was founded in Paris.",
    "as_of": 2016,
    "source": "A site",
    "url": "https://example.org/paris",
    "verified": "read",
    "conflicts": ["founded-new-york"],
    "note": "Undated.",
}
NEW_YORK = {
    "id": "founded-new-york",
    "statement": "It was founded in New York.",
    "as_of": "2016",
    "source": "A paper",
    "url": "https://example.org/ny",
    "verified": "read",
    "timeline": "Founded",
    "category": "company",
}
RELEASE = {
    "id": "newest",
    "statement": "The newest version is 5.23.0.",
    "as_of": "2026-02",
    "source": "Package index: release date",
    "package": "transformers 5.23.0",
    "verified": "read",
    "volatile": True,
}
COUNTS = [
    {
        "id": f"count-{year}",
        "statement": f"There were {models} models.",
        "as_of": f"{year}-06",
        "source": "Docs: front page",
        "url": "https://example.org/docs",
        "verified": "read",
        "series": "docs",
        "values": {"models": models, "Spaces": models // 2},
    }
    for year, models in ((2022, 50_000), (2024, 900_000))
]


def write(folder: Path, *entries: dict[str, object], name: str = "history") -> Path:
    document = {"title": "History", "groups": [{"title": "All", "claims": [*entries]}]}
    text = yaml.safe_dump(document, sort_keys=False)
    (folder / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return claims.load(write(tmp_path, MONEY, PARIS, NEW_YORK, RELEASE, *COUNTS))


def page(text: str) -> BeautifulSoup:
    html = markdown.markdown(text, extensions=["tables", "attr_list", "md_in_html"])
    return BeautifulSoup(html, "html.parser")


# --- loading ---------------------------------------------------------------------------


def test_load_keeps_what_is_written(ledger: Ledger) -> None:
    assert len(ledger) == 6
    assert ledger["founded-paris"].as_of == "2016"
    assert ledger["series-d"].file == "history"
    assert ledger.titles == {"history": "History"}


def test_load_keeps_dates_as_written(tmp_path: Path) -> None:
    write(tmp_path, MONEY)
    path = tmp_path / "history.yml"
    path.write_text(path.read_text().replace("'2023-08-24'", "2023-08-24"))
    assert claims.load(tmp_path)["series-d"].as_of == "2023-08-24"


@pytest.mark.parametrize("field", ["id", "statement", "as_of", "source", "verified"])
def test_load_refuses_a_claim_without(field: str, tmp_path: Path) -> None:
    broken = {key: value for key, value in MONEY.items() if key != field}
    with pytest.raises(ClaimError, match=rf"history\.yml:5: .*missing {field}"):
        claims.load(write(tmp_path, broken))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": ""}, "missing url"),
        ({"url": "see above"}, "bad url"),
        ({"id": "Series D"}, "kebab-case"),
        ({"as_of": "2023-13"}, "bad date"),
        ({"as_of": "2023-02-30"}, "bad date"),
        ({"as_of": "August 2023"}, "bad date"),
        ({"verified": "memory"}, "verified is 'memory'"),
        ({"note": "memory - UNVERIFIED"}, "unverified"),
        ({"url": "https://" + "pypi" + ".org/project/x"}, "package registry"),
        ({"package": "x 1.0"}, "give one of"),
        ({"conflicts": ["nowhere"]}, "names 'nowhere'"),
        ({"conflicts": ["series-d"]}, "names 'series-d'"),
        ({"conflicts": "nowhere"}, "must be a list"),
        ({"category": ""}, "go together"),
        ({"category": "fun"}, "category is 'fun'"),
        ({"series": "docs"}, "needs values"),
        ({"series": "docs", "values": {"models": "50k"}}, "must be a count"),
        ({"sauce": "x"}, "unknown fields sauce"),
        ({"url": "", "derived_from": ["newest"]}, "only an inferred claim"),
    ],
)
def test_load_refuses(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match=message):
        claims.load(write(tmp_path, {**MONEY, **change}, RELEASE))


def test_load_refuses_an_id_twice_across_files(tmp_path: Path) -> None:
    write(tmp_path, MONEY, name="company")
    write(tmp_path, NEW_YORK, MONEY)
    with pytest.raises(ClaimError, match=r"history\.yml:.*already used in company:5"):
        claims.load(tmp_path)


def test_load_reports_every_problem_at_once(tmp_path: Path) -> None:
    first, second = {**MONEY, "as_of": ""}, {**NEW_YORK, "source": ""}
    with pytest.raises(ClaimError) as error:
        claims.load(write(tmp_path, first, second))
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "- a list\n", "title: x\n", "title: [\n"])
def test_load_refuses_a_file_of_another_form(text: str, tmp_path: Path) -> None:
    (tmp_path / "history.yml").write_text(text)
    with pytest.raises(ClaimError, match=r"history\.yml"):
        claims.load(tmp_path)


def test_load_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match="no claims"):
        claims.load(tmp_path)


def test_an_inferred_claim_may_rest_on_others(tmp_path: Path) -> None:
    rest = {**RELEASE, "id": "pin", "verified": "inferred", "derived_from": ["newest"]}
    del rest["package"]
    ledger = claims.load(write(tmp_path, RELEASE, rest))
    text, _ = claims.render("Pin it [@pin].", ledger)
    assert "Package index: release date" in page(text).find(id="claim-pin").get_text()


def test_conflicts_count_for_both_sides(ledger: Ledger) -> None:
    assert [c.id for c in ledger.conflicts_of("founded-paris")] == ["founded-new-york"]
    assert [c.id for c in ledger.conflicts_of("founded-new-york")] == ["founded-paris"]


@pytest.mark.parametrize(
    ("as_of", "text"),
    [("2023-08-24", "August 24, 2023"), ("2023-08", "August 2023"), ("2023", "2023")],
)
def test_human_date(as_of: str, text: str) -> None:
    assert claims.human_date(as_of) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(999, "999"), (50_000, "50k"), (711_000, "711k"), (2_430_000, "2.43M")],
)
def test_short_count(count: int, text: str) -> None:
    assert claims.short_count(count) == text


# --- rendering -------------------------------------------------------------------------


def test_render_numbers_by_first_citation(ledger: Ledger) -> None:
    text, ids = claims.render(
        "New York [@founded-new-york], $235M [@series-d], again [@founded-new-york].\n",
        ledger,
    )
    assert ids == ["founded-new-york", "series-d"]
    soup = page(text)
    marks = [mark.get_text() for mark in soup.select("sup.claims-mark")]
    assert marks == ["1", "2", "1"]
    assert [item["id"] for item in soup.select("ol.claims > li")] == [
        "claim-founded-new-york",
        "claim-series-d",
    ]
    assert soup.find("h2").get_text() == "Sources"


def test_render_takes_several_claims_in_one_mark(ledger: Ledger) -> None:
    text, ids = claims.render("Both [@series-d; @newest].", ledger)
    assert ids == ["series-d", "newest"]
    assert page(text).select_one("sup.claims-mark").get_text() == "1, 2"
    assert text.startswith("Both<sup")


def test_a_mark_may_run_over_a_line(ledger: Ledger) -> None:
    source = "It began in 2016 [@series-d;\n  @newest]."
    assert claims.render(source, ledger)[1] == ["series-d", "newest"]
    assert claims.check_prose(source, ledger) == []
    split = "It began [@series-d\n\nand @newest]."
    assert claims.render(split, ledger) == (split, [])


def test_a_mark_may_begin_a_line(ledger: Ledger) -> None:
    text, _ = claims.render("Money came\n[@series-d].\n\n[@newest] begins.", ledger)
    assert text.startswith("Money came<sup")
    assert len(page(text).find_all("p")) == 2


def test_every_link_of_a_page_leads_somewhere_and_ids_are_unique(ledger: Ledger) -> None:
    source = (
        "A [@series-d] b [@series-d; @founded-paris].\n\n<!-- timeline: history -->\n"
    )
    soup = page(claims.render(source, ledger)[0])
    ids = Counter(tag["id"] for tag in soup.find_all(id=True))
    assert max(ids.values()) == 1
    targets = {a["href"][1:] for a in soup.select('a[href^="#"]')}
    assert targets <= set(ids)
    labels = {label["for"] for label in soup.find_all("label")}
    assert labels <= set(ids)


def test_a_reference_says_what_it_leads_to(ledger: Ledger) -> None:
    link = page(claims.render("Money [@series-d].", ledger)[0]).select_one("a.claim")
    assert link["title"] == (
        "It raised $235 million in 2023. Source: Reuters: a | report,"
        " August 24, 2023 (second-hand)."
    )
    assert link["aria-label"] == "Source 1: Reuters: a | report, August 24, 2023"


def test_a_source_shows_link_date_evidence_and_ways_back(ledger: Ledger) -> None:
    text, _ = claims.render(
        "Money [@series-d], [@series-d].", ledger, bibliography_url="../sources/"
    )
    item = page(text).find(id="claim-series-d")
    addresses = [a["href"] for a in item.find_all("a")]
    assert addresses == [
        "https://example.org/a?b=1&c=2",
        "../sources/#claim-series-d",
        "#cite-series-d-1",
        "#cite-series-d-2",
    ]
    assert item.find("time")["datetime"] == "2023-08-24"
    assert "second-hand" in item.get_text()


def test_a_package_is_named_and_not_linked(ledger: Ledger) -> None:
    item = page(claims.render("It [@newest].", ledger)[0]).find(id="claim-newest")
    assert item.find("code").get_text() == "transformers 5.23.0"
    assert all(a["href"].startswith("#") for a in item.find_all("a"))


def test_a_conflict_is_shown_whether_the_other_side_is_cited_or_not(
    ledger: Ledger,
) -> None:
    alone = page(claims.render("Paris [@founded-paris].", ledger)[0])
    assert (
        "It was founded in New York." in alone.find(id="claim-founded-paris").get_text()
    )
    assert "Undated." in alone.find(id="claim-founded-paris").get_text()
    both = page(claims.render("[@founded-new-york; @founded-paris]", ledger)[0])
    first = both.find(id="claim-founded-new-york").select_one(".claims__conflict")
    assert first.find("a")["href"] == "#claim-founded-paris"


@pytest.mark.parametrize(
    "code",
    [
        "```text\n[@series-d]\n```",
        "~~~\n[@series-d]\n```\n[@newest]\n~~~",
        "`[@series-d]`",
        "``a ` [@series-d]``",
        "<pre>[@series-d]</pre>",
        "<code>[@series-d]</code>",
        "<!-- [@series-d] -->",
        "```markdown\n<!-- timeline: history -->\n```",
        "    ```\n    [@nowhere]\n    ```",
    ],
)
def test_code_is_left_alone(code: str, ledger: Ledger) -> None:
    assert claims.render(f"Text.\n\n{code}\n", ledger) == (f"Text.\n\n{code}\n", [])


def test_render_works_around_code(ledger: Ledger) -> None:
    text, ids = claims.render("`[@x]` and [@series-d] and `y`.", ledger)
    assert ids == ["series-d"]
    assert text.startswith("`[@x]` and<sup")


@pytest.mark.parametrize(
    "mark", ["[@nowhere]", "[@series-d, @newest]", "[@Series-D]", "[@]"]
)
def test_render_refuses_a_wrong_mark_and_names_its_line(
    mark: str, ledger: Ledger
) -> None:
    with pytest.raises(ClaimError, match="line 5"):
        claims.render(f"<!-- timeline: history -->\n\nA.\n\nMoney {mark}.", ledger)


def test_sources_go_where_the_page_wants_them(ledger: Ledger) -> None:
    text, _ = claims.render(
        "Money [@series-d].\n\n<!-- sources -->\n\n## After\n", ledger
    )
    assert text.index("## Sources") < text.index("## After")
    assert claims.render("None.\n\n<!-- sources -->\n", ledger)[0] == "None.\n\n\n"


def test_a_table_row_keeps_its_cells(ledger: Ledger) -> None:
    text, _ = claims.render("| a | b |\n| --- | --- |\n| x [@series-d] | y |\n", ledger)
    cells = [cell.get_text() for cell in page(text).select("td")]
    assert cells == ["x1", "y"]


# --- timeline and counts ---------------------------------------------------------------


def test_the_timeline_lists_events_in_order(ledger: Ledger) -> None:
    text, ids = claims.render("<!-- timeline: history -->", ledger)
    soup = page(text)
    events = soup.select("ol.timeline li[data-category]")
    assert [event["data-category"] for event in events] == ["company", "money"]
    assert [event.find("time")["datetime"] for event in events] == ["2016", "2023-08-24"]
    assert ids == ["founded-new-york", "series-d"]


def test_the_timeline_filter_works_from_the_keyboard_without_a_script(
    ledger: Ledger,
) -> None:
    soup = page(claims.render("<!-- timeline: history -->", ledger)[0])
    choices = soup.select("input[type=radio]")
    assert len({choice["name"] for choice in choices}) == 1
    assert [choice.has_attr("checked") for choice in choices] == [True, False, False]
    assert soup.find("script") is None
    years = soup.select("li.timeline__year")
    assert [year["class"] for year in years] == [
        ["timeline__year", "has-company"],
        ["timeline__year", "has-money"],
    ]


def test_a_timeline_without_events_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(ClaimError, match="is an event"):
        claims.render("<!-- timeline: vision -->", ledger)


def test_counts_are_drawn_and_listed(ledger: Ledger) -> None:
    text, ids = claims.render("<!-- counts: docs -->", ledger)
    soup = page(text)
    assert ids == ["count-2022", "count-2024"]
    assert [caption.get_text() for caption in soup.select("figcaption")] == [
        "Models",
        "Spaces",
    ]
    label = soup.select_one("svg[role=img]")["aria-label"]
    assert "from 50k in June 2022 to 900k in June 2024" in label
    rows = [[cell.get_text() for cell in row.find_all("td")] for row in soup.select("tr")]
    assert rows[1] == ["Jun\xa02022", "50k", "25k", "Docs1"]


def test_counts_of_an_unknown_series_are_an_error(ledger: Ledger) -> None:
    with pytest.raises(ClaimError, match="'nothing'"):
        claims.render("<!-- counts: nothing -->", ledger)


# --- all claims ------------------------------------------------------------------------


def test_the_bibliography_lists_every_claim_and_links_back(ledger: Ledger) -> None:
    text = claims.bibliography(
        ledger,
        {"report/history.md": ["series-d", "series-d"], "index.md": ["series-d"]},
        titles={"report/history.md": "History"},
    )
    assert re.findall(r'<span id="claim-([a-z0-9-]+)">', text) == [c.id for c in ledger]
    assert "[History](history.md#cite-series-d-1)" in text
    assert "[index.md](../index.md#cite-series-d-1)" in text
    assert "[`founded-paris`](#claim-founded-paris)" in text


def test_uncited(ledger: Ledger) -> None:
    citations = {"a.md": ["series-d"], "b.md": ["newest", "founded-paris"]}
    left = ["founded-new-york", "count-2022", "count-2024"]
    assert claims.uncited(ledger, citations) == left
    assert claims.uncited(ledger, citations, "vision") == []


def test_only_volatile_claims_age(ledger: Ledger) -> None:
    assert claims.stale(ledger, date(2026, 8, 27)) == []
    assert [c.id for c in claims.stale(ledger, date(2026, 8, 28))] == ["newest"]
    assert [c.id for c in claims.stale(ledger, date(2026, 3, 30), 14)] == ["newest"]
    assert "| February 2026 | 181 |" in claims.freshness(ledger, date(2026, 8, 28))
    assert "No volatile claim" in claims.freshness(ledger, date(2026, 3, 1))


# --- prose -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "It began in 2016.",
        "It began in mid-2016 already.",
        "In the 1990s nobody knew.",
        "It came on August 24.",
        "It came on 24 August.",
        "It raised $235M.",
        "It raised 3 million euros.",
        "It paid EUR 3M.",
        "About 3% pay.",
        "About 3 percent pay.",
        "It has 1,600 tokens.",
        "It has 176B parameters.",
        "It has 46 natural languages.",
        "It has two million models.",
        "It holds hundreds of millions of files.",
        "It scored 37.9 box AP.",
        "It reached a BLEU of 41.8.",
        "The folder holds 547 architectures.",
        "It takes 20 minutes.",
        "The file has 22 MB.",
    ],
)
def test_a_figure_needs_a_claim(text: str, ledger: Ledger) -> None:
    found = claims.check_prose(f"# Title\n\n{text}\n", ledger)
    assert [(problem.line, problem.kind) for problem in found] == [(3, "uncited-figure")]
    assert not claims.check_prose(f"{text[:-1]} [@series-d].\n", ledger)


@pytest.mark.parametrize(
    "text",
    [
        "Call `pipeline` with `year 2016`.",
        "# In 2016",
        "---\ndate: 2016\n---\nText.",
        "```python\nyear = 2016\n```",
        "<!-- counted in 2016 -->",
        "GPT-2, BERT and ViT-B/16 are models.",
        "Python 3.12 and transformers 5.23.0 run it.",
        "See [the paper](https://example.org/2016/08/24) at https://example.org/2016.",
        "See arXiv 1706.03762 and CVE-2026-4372.",
        "The accuracy is {{ vision.vit.accuracy | percent }} after {{ seconds }} s.",
        "There are three ways, and 5 of them work.",
        "| 2022 | 2023 |\n| --- | --- |\n| a | b |",
        '<img src="2016.png" width="300">',
        "![A figure](a.png){ width=300px }",
        "The layer has the shape 768 by 3072.",
    ],
)
def test_what_needs_no_claim(text: str, ledger: Ledger) -> None:
    assert claims.check_prose(text + "\n", ledger) == []


def test_each_paragraph_item_and_row_needs_its_own_claim(ledger: Ledger) -> None:
    text = (
        "In 2023 [@series-d]\nthere was money.\n\n"
        "In 2016 none.\n\n"
        "- in 2016\n- in 2023 [@series-d]\n  and 2024\n1. in 2017\n\n"
        "| Year | Sum |\n| --- | --- |\n| 2023 | $1 [@series-d] |\n| 2016 | $2 |\n\n"
        '!!! note "In 2016"\n    In 2018.\n'
    )
    found = claims.check_prose(text, ledger)
    assert [problem.line for problem in found] == [4, 6, 9, 14, 16, 17]


def test_prose_with_unknown_or_malformed_marks(ledger: Ledger) -> None:
    found = claims.check_prose("A [@nowhere].\n\nB [@series-d, @newest].\n", ledger)
    assert [(p.line, p.kind) for p in found] == [
        (1, "unknown-claim"),
        (3, "malformed-mark"),
    ]
    assert "nowhere" in str(found[0])


def test_a_number_of_our_own_is_exempt_when_it_says_so(ledger: Ledger) -> None:
    mine = "We read 12 pages in 20 minutes. <!-- own number: 12 pages; 20 minutes -->"
    assert claims.check_prose(mine, ledger) == []
    part = "We read 12 pages in 20 minutes. <!-- own number: 12 pages -->"
    assert [p.kind for p in claims.check_prose(part, ledger)] == ["uncited-figure"]


@pytest.mark.parametrize(
    "text",
    [
        "We read all. <!-- own number: 12 pages -->",
        "It raised $5. <!-- own number: $5 -->",
        "It began in 2016. <!-- own number: 2016 -->",
    ],
)
def test_an_escape_is_for_numbers_of_our_own_only(text: str, ledger: Ledger) -> None:
    assert "bad-escape" in [p.kind for p in claims.check_prose(text, ledger)]
