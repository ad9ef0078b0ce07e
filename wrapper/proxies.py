"""The client's proxies as the environment variables that programs in a container look for.

A proxy's password is a secret: the values go into the environment of the engine's command line, and
its argument vector holds the names only (``--env http_proxy``, ``--build-arg http_proxy``), for
which both engines take the value from there. Knows no engine and no init_data.xml, only the values
found in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote


class ProxyInfo(Protocol):
    """The fields of ``proxy_info`` in init_data.xml; empty, 0 or False where there is none.

    The client remembers, and writes, the servers and passwords of a proxy that was switched off;
    only ``use_http_proxy``, ``use_http_auth`` and ``use_socks_proxy`` say what is in use.
    """

    @property
    def use_http_proxy(self) -> bool: ...
    @property
    def use_http_auth(self) -> bool: ...
    @property
    def use_socks_proxy(self) -> bool: ...
    @property
    def http_server_name(self) -> str: ...
    @property
    def http_server_port(self) -> int: ...
    @property
    def http_user_name(self) -> str: ...
    @property
    def http_user_passwd(self) -> str: ...
    @property
    def socks_server_name(self) -> str: ...
    @property
    def socks_server_port(self) -> int: ...
    @property
    def socks5_user_name(self) -> str: ...
    @property
    def socks5_user_passwd(self) -> str: ...
    @property
    def socks5_remote_dns(self) -> bool: ...
    @property
    def no_proxy(self) -> str: ...


def proxy_environment(proxy: ProxyInfo) -> dict[str, str]:
    """The variables, each in lower and in upper case; empty where the client uses no proxy.

    As the client itself does, HTTP goes through the HTTP proxy where there is one, else through the
    SOCKS proxy. ``all_proxy`` names the SOCKS proxy where there is one. ``socks5h`` leaves names to
    be looked up by the proxy.
    """
    http, socks = _http_url(proxy), _socks_url(proxy)
    web = http or socks
    if not web:
        return {}
    values = {"http_proxy": web, "https_proxy": web, "ftp_proxy": web, "all_proxy": socks or web,
              "no_proxy": ",".join(proxy.no_proxy.replace(",", " ").split())}
    return _both_cases((name, value) for name, value in values.items() if value)


def proxy_secrets(proxy: ProxyInfo) -> tuple[str, ...]:
    """What must not be shown: the passwords, as they are and percent-encoded."""
    passwords = (proxy.http_user_passwd, proxy.socks5_user_passwd)
    forms = (form for password in passwords if password for form in (password, _encoded(password)))
    return tuple(dict.fromkeys(forms))


def _http_url(proxy: ProxyInfo) -> str:
    if not proxy.use_http_proxy:
        return ""
    who = (proxy.http_user_name, proxy.http_user_passwd) if proxy.use_http_auth else ("", "")
    return _url("http", proxy.http_server_name, proxy.http_server_port, *who)


def _socks_url(proxy: ProxyInfo) -> str:
    if not proxy.use_socks_proxy:
        return ""
    scheme = "socks5h" if proxy.socks5_remote_dns else "socks5"
    return _url(scheme, proxy.socks_server_name, proxy.socks_server_port,
                proxy.socks5_user_name, proxy.socks5_user_passwd)


def _url(scheme: str, server: str, port: int, user: str, password: str) -> str:
    server = server.strip()
    if not server:
        return ""
    if ":" in server and not server.startswith("["):
        server = f"[{server}]"
    who = _encoded(user) + (f":{_encoded(password)}" if password else "")
    return f"{scheme}://{who + '@' if who else ''}{server}{f':{port}' if port > 0 else ''}"


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _both_cases(values: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {form: value for name, value in values for form in (name, name.upper())}
