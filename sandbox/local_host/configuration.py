"""What host.json and the app settings tell the host, read once and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.local_host.bindings import parse_timespan

# Each value of host.json can be given as an app setting:
# https://learn.microsoft.com/azure/azure-functions/functions-host-json#override-hostjson-values (2026-11)
OVERRIDE_PREFIX = "AzureFunctionsJobHost__"


class StartRefused(Exception):
    """The host cannot run this app with these settings; the text says why and what to do."""


@dataclass(frozen=True)
class QueueOptions:
    """``extensions.queues`` of host.json, with the documented defaults."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout_s: float = 0.0
    # Documented default: one minute, and two seconds where AZURE_FUNCTIONS_ENVIRONMENT is Development, as it is here.
    max_polling_interval_s: float = 2.0
    encodes_base64: bool = True


@dataclass(frozen=True)
class HostConfiguration:
    """``function_timeout_s`` None is no limit; 0 requests is no limit."""

    function_timeout_s: float | None = 1800.0
    route_prefix: str = "api"
    max_outstanding_requests: int = 0
    max_concurrent_requests: int = 0
    queues: QueueOptions = QueueOptions()


def read_host_configuration(app_dir: Path, settings: Mapping[str, str]) -> HostConfiguration:
    """The configuration of the app in ``app_dir``; StartRefused if host.json is missing or cannot be read."""
    file = app_dir / "host.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("an object is expected")
        _override(content, settings)
        return _configuration(content)
    except OSError:
        raise StartRefused(f"no host.json in {app_dir}: --app has to name the folder of the function app") from None
    except (ValueError, TypeError, AttributeError) as problem:
        raise StartRefused(f"host.json of {app_dir} cannot be read: {problem}") from problem


def is_disabled(function_name: str, settings: Mapping[str, str]) -> bool:
    """Whether the app settings switch the function off: ``AzureWebJobs.<name>.Disabled``, or with underscores."""
    names = (f"AzureWebJobs.{function_name}.Disabled", f"AzureWebJobs_{function_name}_Disabled")
    return any(settings.get(name, "").lower() in ("true", "1") for name in names)


def _override(content: dict[str, Any], settings: Mapping[str, str]) -> None:
    for name, value in settings.items():
        if name.startswith(OVERRIDE_PREFIX):
            *path, last = name.removeprefix(OVERRIDE_PREFIX).split("__")
            section = content
            for step in path:
                section = section.setdefault(step, {})
            section[last] = value


def _configuration(content: dict[str, Any]) -> HostConfiguration:
    extensions = content.get("extensions", {})
    http = extensions.get("http", {})
    timeout = content.get("functionTimeout", "00:30:00")
    return HostConfiguration(
        function_timeout_s=None if timeout == "-1" else parse_timespan(timeout),
        route_prefix=http.get("routePrefix", "api").strip("/"),
        max_outstanding_requests=max(0, int(http.get("maxOutstandingRequests", 0))),
        max_concurrent_requests=max(0, int(http.get("maxConcurrentRequests", 0))),
        queues=_queue_options(extensions.get("queues", {})),
    )


def _queue_options(section: dict[str, Any]) -> QueueOptions:
    batch_size = int(section.get("batchSize", QueueOptions.batch_size))
    if not 1 <= batch_size <= 32:
        raise ValueError(f"extensions.queues.batchSize is {batch_size}, and has to be 1 to 32")
    encoding = section.get("messageEncoding", "base64").lower()
    if encoding not in ("base64", "none"):
        raise ValueError(f"extensions.queues.messageEncoding is {encoding!r}, and has to be base64 or none")
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=int(section.get("newBatchThreshold", batch_size // 2)),
        max_dequeue_count=int(section.get("maxDequeueCount", QueueOptions.max_dequeue_count)),
        visibility_timeout_s=parse_timespan(section.get("visibilityTimeout", "00:00:00")),
        max_polling_interval_s=parse_timespan(section.get("maxPollingInterval", "00:00:02")),
        encodes_base64=encoding == "base64",
    )
