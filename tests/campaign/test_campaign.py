"""A short campaign on each CRM: everything that can fail fails, and nothing is lost, doubled or left unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.campaign.campaign import Campaign, Options
from sandbox.campaign.faults import HOST_KILLED
from sandbox.campaign.table import complaints, table


@pytest.mark.parametrize("crm", ["dynamics365", "salesforce"])
def test_nothing_is_lost_or_doubled_whatever_fails(
    crm: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(seed=11, deals=14, edits=100, faults=46, minutes=0.15, crm=crm)
    result = Campaign(options, tmp_path, print).run()
    print(table(result, crm))
    told = capsys.readouterr().out
    assert complaints(result) == [], told
    assert result.is_clean
    assert result.edits.total() > 70, told
    assert result.faults.total() >= 40, told
    assert result.faults[HOST_KILLED] >= 1, told
    assert len(result.faults) >= 12, "hardly any kinds of faults happened"
