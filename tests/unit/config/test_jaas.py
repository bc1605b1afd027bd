"""JAAS texts: read, and never more than read."""

from __future__ import annotations

import pytest

from appliance.config.jaas import MODULES, login_options
from appliance.errors import ConfigError


@pytest.mark.parametrize("module", MODULES)
def test_options_are_read_when_the_module_is_kafkas_own(module):
    """Quoted, single-quoted and bare values; the last semicolon may be missing."""
    text = f"""{module} required a="x \\"y;" b='z=1'\n c=bare;"""
    assert login_options(text) == {"a": 'x "y;', "b": "z=1", "c": "bare"}
    assert login_options(text.rstrip(";")) == login_options(text)
    assert login_options(f"{module} required;") == {}


@pytest.mark.parametrize(
    "module",
    [
        "com.sun.security.auth.module.JndiLoginModule",
        "com.sun.security.auth.module.LdapLoginModule",
        "com.sun.security.auth.module.Krb5LoginModule",
        "evil.PlainLoginModule",
    ],
)
def test_module_is_named_when_it_is_refused(module):
    """Any other class is refused by its name, without what stands behind it."""
    with pytest.raises(ConfigError, match=f"login module {module} is refused") as raised:
        login_options(f'{module} required user.provider.url="ldap://evil/s3cret";')
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        'username="s3cret"',
        f'{MODULES[0]} username="s3cret";',
        f'{MODULES[0]} required username="s3cret',
        f'{MODULES[0]} required username="s3cret" password=;',
        f"{MODULES[0]} required a=s3cret; com.sun.security.auth.module.JndiLoginModule required;",
    ],
)
def test_text_is_not_quoted_when_it_cannot_be_read(text):
    """The error says how to write it; a second module is no way around the first."""
    with pytest.raises(ConfigError, match=r"write <login module> required") as raised:
        login_options(text)
    assert "s3cret" not in str(raised.value)
