"""boto3 as programs use it: what it prints is what the server let it do."""
import hashlib
import sys
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.session

REGION = "us-east-1"
config = botocore.config.Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}, read_timeout=20)
session = boto3.Session(region_name=REGION)
s3 = session.client("s3", config=config)
BLOB = b"\x00lab" * 700000


def whoami():
    return session.client("sts", config=config, endpoint_url=f"https://sts.{REGION}.amazonaws.com").get_caller_identity()["Arn"]


def put_and_get():
    s3.put_object(Bucket="lab", Key="a b/ü+&=.bin", Body=BLOB)
    got = s3.get_object(Bucket="lab", Key="a b/ü+&=.bin")["Body"].read()
    return "equal" if got == BLOB else "different"


def json_service():
    return session.client("dynamodb", config=config).list_tables()["TableNames"][0]


def unsigned_payload():
    import io
    own = session.client("s3", config=config.merge(botocore.config.Config(s3={
        "addressing_style": "path", "payload_signing_enabled": False})))
    own.put_object(Bucket="lab", Key="streamed", Body=io.BytesIO(BLOB))
    got = own.get_object(Bucket="lab", Key="streamed")["Body"].read()
    return "streamed " + hashlib.sha256(got).hexdigest()


def open_url(request):
    try:
        return f"{urllib.request.urlopen(request, timeout=20).status} opened"
    except urllib.error.HTTPError as e:
        return f"{e.code} refused: {e.read()[:300]!r}"


def presigned():
    return open_url(s3.generate_presigned_url("get_object", Params={"Bucket": "lab", "Key": "streamed"}))


def signed_by_hand(algorithm, payload):
    request = botocore.awsrequest.AWSRequest("PUT", f"https://s3.{REGION}.amazonaws.com/lab/hand", data=b"x",
                                             headers={"X-Amz-Content-SHA256": payload})
    botocore.auth.SigV4Auth(session.get_credentials(), "s3", REGION).add_auth(request)
    fields = {n: v.replace("AWS4-HMAC-SHA256", algorithm) for n, v in request.headers.items()}
    return open_url(urllib.request.Request(request.url, data=b"x", method="PUT", headers=fields))


def v4a():
    return signed_by_hand("AWS4-ECDSA-P256-SHA256", hashlib.sha256(b"x").hexdigest())


def signed_chunks():
    return signed_by_hand("AWS4-HMAC-SHA256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")


for name in sys.argv[1:]:
    try:
        print(f"{name}: {globals()[name]()}")
    except Exception as e:
        print(f"{name}: failed {type(e).__name__} {e}")
