"""A REST application over a herder in memory."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from appliance.rest.app import create_app
from appliance.rest.context import Context
from tests.unit.rest.fakes import make_context


@pytest.fixture
def context() -> Context:
    return make_context()


@pytest.fixture
def client(context: Context) -> TestClient:
    return TestClient(create_app(context), base_url="http://localhost:8083")
