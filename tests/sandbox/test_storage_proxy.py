"""Storage that fails on order: the real SDKs talk to Azurite through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from sandbox.azurite import Azurite
from sandbox.control import Fault
from sandbox.storage_proxy import StorageProxy

CUT = (ServiceRequestError, ServiceResponseError)
LONG = "x" * 20_000


@pytest.fixture(scope="module")
def proxy() -> Iterator[StorageProxy]:
    with Azurite() as azurite, StorageProxy(azurite.ports) as running:
        yield running


@pytest.fixture
def queues(proxy: StorageProxy) -> Iterator[QueueServiceClient]:
    with QueueServiceClient.from_connection_string(proxy.connection_string, retry_total=0) as client:
        yield client


def test_without_orders_all_three_services_are_as_they_are(proxy: StorageProxy, queues: QueueServiceClient) -> None:
    queue = queues.create_queue("plain")
    queue.send_message(LONG)
    assert [message.content for message in queue.receive_messages()] == [LONG]
    with BlobServiceClient.from_connection_string(proxy.connection_string) as blobs:
        blob = blobs.create_container("plain").upload_blob("one", LONG * 10)
        assert len(blob.download_blob().readall()) == 200_000
    with TableServiceClient.from_connection_string(proxy.connection_string) as tables:
        table = tables.create_table("plain")
        table.create_entity({"PartitionKey": "a", "RowKey": "b", "text": LONG})
        assert table.get_entity("a", "b")["text"] == LONG
    assert set(proxy.requests) == {"blob", "queue", "table"}


def test_a_refusal_does_nothing_and_the_connection_goes_on(proxy: StorageProxy, queues: QueueServiceClient) -> None:
    queue = queues.create_queue("refused")
    proxy.control.order(Fault("^/queue/refused", "POST", status=503))
    with pytest.raises(HttpResponseError) as refused:
        queue.send_message(LONG)
    assert refused.value.status_code == 503
    queue.send_message("second")
    assert [message.content for message in queue.receive_messages()] == ["second"]


@pytest.mark.parametrize(("after_commit", "sent"), [(False, 0), (True, 1)])
def test_a_cut_comes_before_the_work_or_after_it(
    proxy: StorageProxy, queues: QueueServiceClient, after_commit: bool, sent: int
) -> None:
    queue = queues.create_queue(f"cut-{sent}")
    proxy.control.order(Fault(f"^/queue/cut-{sent}/messages", "POST", status=0, after_commit=after_commit))
    with pytest.raises(CUT):
        queue.send_message("once")
    assert queue.get_queue_properties().approximate_message_count == sent


def test_an_order_for_one_service_leaves_the_others_alone(proxy: StorageProxy, queues: QueueServiceClient) -> None:
    proxy.control.order(Fault("^/table/"))
    queues.create_queue("others")
    proxy.control.forget_faults()
