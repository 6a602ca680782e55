"""What AWS does with a request: verifies its signature (Signature Version 4) with the real key. Written
after AWS' description, not after the code under test."""
import hashlib
import hmac
import urllib.parse

from server import Response


def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def canonical_query(query):
    pairs = [p.partition("=") for p in query.split("&") if p]
    return "&".join(sorted(f"{encode(urllib.parse.unquote(n))}={encode(urllib.parse.unquote(v))}"
                           for n, _, v in pairs))


class Aws:
    def __init__(self, key_id, secret, token=None):
        self.key_id, self.secret, self.token, self.objects = key_id, secret, token, {}

    def refuse(self, why):
        return Response(403, f"<Error><Code>SignatureDoesNotMatch</Code><Message>{why}</Message></Error>".encode(),
                        [("Content-Type", "application/xml")])

    def wrong(self, request):
        """What is wrong with the signature, or None."""
        value = request.all("authorization")
        if len(value) != 1 or not value[0].startswith("AWS4-HMAC-SHA256 "):
            return f"authorization: {len(value)}"
        parts = dict(p.strip().split("=", 1) for p in value[0][17:].split(","))
        key_id, date, region, service, end = parts["Credential"].split("/")
        if key_id != self.key_id or end != "aws4_request":
            return f"credential of {key_id[:4]}"
        names = parts["SignedHeaders"].split(";")
        if "host" not in names or (self.token and request.all("x-amz-security-token") != [self.token]):
            return "fields"
        lines = "".join(f"{n}:{','.join(' '.join(v.split()) for v in request.all(n))}\n" for n in names)
        payload = request.get("x-amz-content-sha256") or request.hash.hexdigest()
        if len(payload) == 64 and payload != request.hash.hexdigest():
            return "the body is not what its hash says"
        path = request.path if service == "s3" else urllib.parse.quote(request.path, safe="/-_.~")
        canonical = "\n".join([request.method, path, canonical_query(request.query), lines,
                               parts["SignedHeaders"], payload])
        text = "\n".join(["AWS4-HMAC-SHA256", request.get("x-amz-date"), f"{date}/{region}/{service}/aws4_request",
                          hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{self.secret}".encode()
        for part in (date, region, service, "aws4_request"):
            key = sign(key, part)
        return None if hmac.compare_digest(sign(key, text).hex(), parts["Signature"]) else "signature"

    def serve(self, request):
        why = self.wrong(request)
        if why:
            return self.refuse(why)
        if request.sni.startswith("sts."):
            return Response(200, b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                            b"<GetCallerIdentityResult><Arn>arn:aws:iam::1:user/lab</Arn></GetCallerIdentityResult>"
                            b"</GetCallerIdentityResponse>", [("Content-Type", "text/xml")])
        if request.sni.startswith("dynamodb."):
            return Response(200, b'{"TableNames":["lab-table"]}', [("Content-Type", "application/x-amz-json-1.0")])
        return self.serve_object(request)

    def serve_object(self, request):
        if request.method == "PUT":
            self.objects[request.path] = (request.length, request.hash.hexdigest(), request.body)
            return Response(200, b"", [("ETag", '"x"')])
        if request.path in self.objects:
            return Response(200, self.objects[request.path][2], [("ETag", '"x"')])
        return Response(404, b"<Error><Code>NoSuchKey</Code></Error>", [("Content-Type", "application/xml")])
