"""Prints the bodies of addresses; fetch.py urllib|requests|aiohttp|issuer ADDRESS..."""
import asyncio
import socket
import ssl
import sys
import urllib.parse
import urllib.request


def by_urllib(address):
    return urllib.request.urlopen(address, timeout=20).read().decode()


def by_requests(address):
    import requests
    return requests.get(address, timeout=20).text


def by_aiohttp(address):
    async def get():
        import aiohttp
        async with aiohttp.ClientSession() as session:
            async with session.get(address) as r:
                return await r.text()
    return asyncio.run(get())


def by_issuer(address):
    """Who vouches for the host, as the client is told."""
    name = urllib.parse.urlsplit(address).hostname
    with socket.create_connection((name, 443), timeout=20) as tcp:
        with ssl.create_default_context().wrap_socket(tcp, server_hostname=name) as tls:
            issuer = dict(x[0] for x in tls.getpeercert()["issuer"])
            return f"issuer of {name}: {issuer.get('commonName')}"


for text in sys.argv[2:]:
    try:
        print(globals()["by_" + sys.argv[1]](text))
    except Exception as e:
        print("failed", type(e).__name__, e)
