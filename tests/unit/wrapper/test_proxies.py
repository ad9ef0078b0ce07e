"""The client's proxies as environment variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wrapper.proxies import proxy_environment, proxy_secrets


@dataclass(frozen=True)
class Proxy:
    http_server_name: str = ""
    http_server_port: int = 0
    http_user_name: str = ""
    http_user_passwd: str = ""
    socks_server_name: str = ""
    socks_server_port: int = 0
    socks5_user_name: str = ""
    socks5_user_passwd: str = ""
    socks5_remote_dns: bool = False
    no_proxy: str = ""
    use_http_proxy: bool = True
    use_http_auth: bool = True
    use_socks_proxy: bool = True


def test_no_proxy_gives_no_variable() -> None:
    assert proxy_environment(Proxy(no_proxy="intern.example")) == {}


def test_an_http_proxy_is_named_in_both_cases() -> None:
    environment = proxy_environment(Proxy("proxy.example", 3128, no_proxy="a.example, b.example"))
    url = "http://proxy.example:3128"
    assert environment == {
        name: value
        for low, value in {"http_proxy": url, "https_proxy": url, "ftp_proxy": url,
                           "all_proxy": url, "no_proxy": "a.example,b.example"}.items()
        for name in (low, low.upper())
    }


@pytest.mark.parametrize(("remote", "scheme"), [(True, "socks5h"), (False, "socks5")])
def test_a_socks_proxy_says_who_looks_up_names(remote: bool, scheme: str) -> None:
    proxy = Proxy(socks_server_name="s.example", socks_server_port=1080, socks5_remote_dns=remote)
    environment = proxy_environment(proxy)
    assert environment["all_proxy"] == f"{scheme}://s.example:1080"
    assert environment["https_proxy"] == f"{scheme}://s.example:1080"


def test_with_both_proxies_the_web_goes_through_the_http_proxy() -> None:
    environment = proxy_environment(
        Proxy("h.example", 80, socks_server_name="s.example", socks_server_port=1080))
    assert environment["HTTPS_PROXY"] == "http://h.example:80"
    assert environment["ALL_PROXY"] == "socks5://s.example:1080"


def test_a_proxy_that_was_switched_off_is_not_used_though_the_client_remembers_it() -> None:
    only_socks = Proxy("h", 80, "u", "p", "s", 1080, "v", "q", use_http_proxy=False)
    assert proxy_environment(replace(only_socks, use_socks_proxy=False)) == {}
    assert proxy_environment(only_socks)["http_proxy"] == "socks5://v:q@s:1080"


def test_a_user_that_is_not_to_log_in_is_not_named() -> None:
    proxy = Proxy("h", 80, "u", "p", use_http_auth=False)
    assert proxy_environment(proxy)["http_proxy"] == "http://h:80"


@pytest.mark.parametrize("server", ["2001:db8::1", "[2001:db8::1]", " 2001:db8::1 "])
def test_an_ipv6_address_stands_in_brackets(server: str) -> None:
    assert proxy_environment(Proxy(server, 8080))["http_proxy"] == "http://[2001:db8::1]:8080"


def test_a_proxy_without_a_port_has_none_in_its_url() -> None:
    assert proxy_environment(Proxy("h.example"))["http_proxy"] == "http://h.example"


@given(st.text(min_size=1).filter(str.isprintable), st.text().filter(str.isprintable))
def test_user_and_password_can_be_read_back(user: str, password: str) -> None:
    proxy = Proxy("h.example", 8080, user, password)
    url = urlsplit(proxy_environment(proxy)["http_proxy"])
    assert url.hostname == "h.example"
    assert url.port == 8080
    assert unquote(url.username or "") == user
    assert unquote(url.password or "") == password


def test_the_secrets_are_the_passwords_in_both_forms() -> None:
    proxy = Proxy(http_user_name="u", http_user_passwd="p@ss/1", socks5_user_passwd="plain")
    assert proxy_secrets(proxy) == ("p@ss/1", "p%40ss%2F1", "plain")


def test_every_url_with_a_password_is_covered_by_the_secrets() -> None:
    proxy = Proxy("h", 1, "u", "sé cret:@", "s", 2, "v", "other%")
    for value in proxy_environment(proxy).values():
        assert any(secret in value for secret in proxy_secrets(proxy))
