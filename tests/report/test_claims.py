"""The field's sentences held against records: what wins, what cannot be told, and what cannot be tested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from mock_run import Model, make_run
from rich.console import Console

from bench.adapters.origin import Learning
from bench.cli.report import make_claims
from bench.errors import UserError
from bench.leaderboard import build
from bench.records import read_run
from bench.report import claims, markdown, published

LLAMA = Model("Llama-3-8B-Mob", 0.34, 42.0, 20.0, adapter="replay", seen=("A",), noise=0.01)
BERT = Model("LP-BERT logged", 0.28, 42.2, 20.2, adapter="replay", seen=("A",), noise=0.01)
STATISTIC = Model("kernel_vote", 0.31, 50.0, 20.1, noise=0.01)
TINY = Model("tiny", 0.2, 60.0, adapter="llama_mob", learning=Learning(start="pretrained", pretrained_on="people"))


def page(folder: Path, *models: Model, source: str = "humob:humob2024") -> str:
    make_run(folder, models, [("A", ("B", "C"))], users=80, synthetic=False, source=source)
    content = read_run(folder)
    return markdown.render(claims.lay_out(build(content.records, folder), content.records, published.read()))


def test_a_sentence_holds_under_one_version_of_a_metric_and_not_under_the_other(tmp_path: Path) -> None:
    """The statistic is best by GEO-BLEU; the learned model has the better true DTW and the same skipping one."""
    learned = dataclasses.replace(LLAMA, bleu=0.27, noise=0.04)
    text = page(tmp_path, dataclasses.replace(STATISTIC, noise=0.04), learned)
    assert "It holds: GEO-BLEU (HuMob 2024) is won by the statistic; DTW (true) is won by the learned model." in text
    skipping = "It is not shown: GEO-BLEU (HuMob 2024) is won by the statistic; DTW (HuMob 2024) is won by neither"
    assert skipping in text


def test_it_is_wrong_where_the_learned_model_wins_geobleu(tmp_path: Path) -> None:
    assert "It is wrong: GEO-BLEU (HuMob 2024) is won by the learned model" in page(tmp_path, STATISTIC, LLAMA)


def test_a_language_model_is_compared_with_lp_bert_and_with_published_numbers_without_a_test(tmp_path: Path) -> None:
    text = page(tmp_path, STATISTIC, LLAMA, BERT)
    assert "Llama-3-8B-Mob against LP-BERT logged: better by GEO-BLEU (HuMob 2024), GEO-BLEU (GIS Cup 2025)" in text
    assert "no test is possible" in text
    rows = [line for line in text.splitlines() if "LP-BERT with" in line and "GEO-BLEU" in line]
    assert [[row.split("|")[4].strip(), row.split("|")[5].strip()] for row in rows] == [
        ["LP-BERT with a city embedding", "0.3176"],  # B: the weaker, then the stronger
        ["LP-BERT with stay and movement encoders", "0.3307"],
        ["LP-BERT with a city embedding", "0.3201"],
        ["LP-BERT with stay and movement encoders", "0.3357"],
    ]


def test_the_tiny_decoder_is_no_language_model(tmp_path: Path) -> None:
    """mock_run gives records without settings, as a language model's would never be: name the base here."""
    make_run(tmp_path, (TINY, BERT), [("A", ("B", "C"))], users=30)
    content = read_run(tmp_path)
    records = [
        record.model_copy(update={"case": record.case.model_copy(update={"settings": {"base": "tiny sha256:1"}})})
        for record in content.records
    ]
    assert claims._families(records) == {"tiny": claims.TINY, "LP-BERT logged": claims.BERT}


def test_the_page_names_its_command_and_a_run_without_both_kinds_is_refused(tmp_path: Path) -> None:
    make_run(tmp_path / "run", (STATISTIC, LLAMA), [("A", ("B", "C"))], users=30)
    make_claims(tmp_path / "run", Console(quiet=True), tmp_path / "claims.md")
    text = (tmp_path / "claims.md").read_text()
    assert f"Made by `bench report {tmp_path}/run --claims {tmp_path}/claims.md`." in text
    make_run(tmp_path / "other", (STATISTIC,), [("A", ("B", "C"))], users=30)
    with pytest.raises(UserError, match="ranks no two models"):
        make_claims(tmp_path / "other", Console(quiet=True), tmp_path / "none.md")
    assert not (tmp_path / "none.md").exists()


def test_a_metric_that_some_rows_lack_is_left_out(tmp_path: Path) -> None:
    """Records may be of runs that asked for other metrics."""
    make_run(tmp_path, (STATISTIC, LLAMA, BERT), [("A", ("B", "C"))], users=30)
    records = list(read_run(tmp_path).records)
    for i, record in enumerate(records):
        if record.case.model == LLAMA.name:
            path = tmp_path / record.files["scores"]
            pd.read_parquet(path).drop(columns="dtw@fixed").to_parquet(path)
            left = {name: score for name, score in record.scores.items() if name != "dtw@fixed"}
            records[i] = record.model_copy(update={"scores": left})
    text = markdown.render(claims.lay_out(build(records, tmp_path), records, published.read()))
    first = next(part for part in text.split("## ") if "every learned model" in part)
    assert "GEO-BLEU (HuMob 2024)" in first
    assert "| DTW (true)" not in first
