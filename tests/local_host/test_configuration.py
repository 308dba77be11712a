from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.local_host.configuration import QueueOptions, StartRefused, is_disabled, read_host_configuration


def test_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    configuration = read_host_configuration(tmp_path, {})
    assert configuration.function_timeout_s == 1800
    assert configuration.route_prefix == "api"
    assert configuration.queues == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        visibility_timeout_s=0,
        max_polling_interval_s=2,
        encodes_base64=True,
    )


def test_app_settings_override_host_json(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(
        '{"functionTimeout": "-1", "extensions": {"queues": {"batchSize": 4}, "http": {"routePrefix": "/x/"}}}'
    )
    settings = {
        "AzureFunctionsJobHost__extensions__queues__batchSize": "2",
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:09",
        "AzureFunctionsJobHost__extensions__http__maxOutstandingRequests": "3",
    }
    configuration = read_host_configuration(tmp_path, settings)
    assert (configuration.queues.batch_size, configuration.queues.new_batch_threshold) == (2, 1)
    assert configuration.queues.visibility_timeout_s == 9
    assert configuration.max_outstanding_requests == 3
    assert configuration.route_prefix == "x"
    assert configuration.function_timeout_s is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no host.json"),
        ("{", "cannot be read"),
        ("[]", "an object is expected"),
        ('{"functionTimeout": "5 minutes"}', "not a time span"),
        ('{"extensions": {"queues": {"batchSize": 33}}}', "has to be 1 to 32"),
        ('{"extensions": {"queues": {"messageEncoding": "utf"}}}', "base64 or none"),
        ('{"extensions": {"queues": []}}', "cannot be read"),
    ],
)
def test_a_host_json_that_cannot_be_followed_is_refused(tmp_path: Path, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / "host.json").write_text(text)
    with pytest.raises(StartRefused, match=reason):
        read_host_configuration(tmp_path, {})


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({}, False),
        ({"AzureWebJobs.tick.Disabled": "true"}, True),
        ({"AzureWebJobs_tick_Disabled": "1"}, True),
        ({"AzureWebJobs.tick.Disabled": "false"}, False),
        ({"AzureWebJobs.other.Disabled": "true"}, False),
    ],
)
def test_functions_are_switched_off_by_settings(settings: dict[str, str], answer: bool) -> None:
    assert is_disabled("tick", settings) is answer
