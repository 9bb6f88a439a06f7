"""The bootstrap of a sidecar: what each flag does to it, and that envoy-configs/ holds what it prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import trustme
from google.protobuf import json_format

from pilothouse._pb.envoy.config.bootstrap.v3 import bootstrap_pb2
from pilothouse._pb.envoy.config.cluster.v3 import cluster_pb2
from pilothouse._pb.envoy.config.core.v3 import config_source_pb2
from pilothouse._pb.envoy.extensions.transport_sockets.tls.v3 import common_pb2, tls_pb2
from pilothouse._pb.envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from pilothouse.translate.runtime import LAYER

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "envoy-configs"
RECIPES = [
    line.removeprefix("pilothouse ").split(" > ")
    for line in (CONFIGS / "README.md").read_text().splitlines()
    if line.startswith("pilothouse bootstrap ")
]
WEB = ("bootstrap", "--node", "web-0", "--namespace", "shop")


def parsed(text: str) -> bootstrap_pb2.Bootstrap:
    """Read by Envoy's own definitions, which know no field that the bootstrap made up."""
    return json_format.Parse(text, bootstrap_pb2.Bootstrap())


@pytest.fixture
def bootstrap(pilothouse):
    """The message that `pilothouse bootstrap` with these flags prints, for web-0 in shop."""

    def run(*flags: str) -> bootstrap_pb2.Bootstrap:
        outcome = pilothouse(*WEB, *flags)
        assert (outcome.status, outcome.err) == (0, "")
        return parsed(outcome.out)

    return run


def said(message: bootstrap_pb2.Bootstrap) -> dict[str, object]:
    return json_format.MessageToDict(message.node.metadata)["pilothouse"]


def control_plane(message: bootstrap_pb2.Bootstrap) -> cluster_pb2.Cluster:
    (cluster,) = message.static_resources.clusters
    return cluster


def tls(message: bootstrap_pb2.Bootstrap) -> tls_pb2.UpstreamTlsContext:
    context = tls_pb2.UpstreamTlsContext()
    assert control_plane(message).transport_socket.typed_config.Unpack(context)
    return context


@pytest.mark.parametrize(("command", "file"), RECIPES, ids=[file for _, file in RECIPES])
def test_every_file_in_envoy_configs_is_what_its_command_prints(pilothouse, command, file) -> None:
    outcome = pilothouse(*shlex.split(command))
    assert outcome.out == (CONFIGS / file).read_text()


def test_every_file_in_envoy_configs_has_a_command() -> None:
    assert {file for _, file in RECIPES} == {path.name for path in CONFIGS.glob("*.json")}


@pytest.mark.envoy
@pytest.mark.parametrize("file", [file for _, file in RECIPES])
def test_envoy_accepts_every_file_in_envoy_configs_without_a_warning(validated, file) -> None:
    assert validated(CONFIGS / file) == f"0 configuration '{file}' OK"


def test_an_expression_that_envoy_counts_as_larger_than_we_do_is_taken_all_the_same(bootstrap) -> None:
    own, admin = bootstrap().layered_runtime.layers
    assert dict(own.static_layer) == {"re2.max_program_size.error_level": 1000}
    assert admin.HasField("admin_layer")


def test_values_of_the_runtime_come_over_ads_if_that_is_asked_for(bootstrap) -> None:
    _, asked, _ = bootstrap("--runtime").layered_runtime.layers
    assert asked.rtds_layer.name == LAYER
    assert asked.rtds_layer.rtds_config.HasField("ads")


def test_the_node_says_who_it_is(bootstrap) -> None:
    message = bootstrap(
        *("--cluster", "web", "--locality", "eu/eu-a/rack-1", "--dependency", "shop/payments"),
        *("--dependency", "data/*", "--egress", "[::1]:8001", "--capture", "vip", "--node-name", "worker-7"),
        *("--family", "ipv6", "--family", "ipv4"),
    )
    node = message.node
    assert (node.id, node.cluster) == ("web-0", "web")
    assert (node.locality.region, node.locality.zone, node.locality.sub_zone) == ("eu", "eu-a", "rack-1")
    assert said(message) == {
        "namespace": "shop",
        "dependencies": ["shop/payments", "data/*"],
        "node": "worker-7",
        "egress": "[::1]:8001",
        "capture": "vip",
        "families": ["ipv6", "ipv4"],
    }


def test_what_is_redirected_may_be_for_the_registry_only(bootstrap) -> None:
    assert said(bootstrap("--capture", "redirect"))["capture"] == "redirect"
    assert "outbound" not in said(bootstrap("--capture", "redirect"))
    assert (
        said(bootstrap("--capture", "redirect", "--outbound", "registry-only"))["outbound"] == "registry-only"
    )


def test_what_is_not_said_is_absent_so_that_everything_is_visible(bootstrap) -> None:
    message = bootstrap()
    assert said(message) == {"namespace": "shop", "egress": "127.0.0.1:15001", "capture": "proxy"}
    assert message.node.cluster == "shop"
    assert not message.node.HasField("locality")
    assert bootstrap("--locality", "eu").node.locality.region == "eu"


@pytest.mark.parametrize(("flags", "api"), [((), "DELTA_GRPC"), (("--sotw",), "GRPC")])
def test_clusters_and_listeners_come_over_one_ads_stream_that_comes_back_soon(bootstrap, flags, api) -> None:
    dynamic = bootstrap(*flags).dynamic_resources
    ads = dynamic.ads_config
    assert config_source_pb2.ApiConfigSource.ApiType.Name(ads.api_type) == api
    assert ads.transport_api_version == config_source_pb2.V3
    assert ads.set_node_on_first_message_only
    (service,) = ads.grpc_services
    back_off = service.envoy_grpc.retry_policy.retry_back_off
    assert service.envoy_grpc.cluster_name == "xds"
    assert (back_off.base_interval.ToMilliseconds(), back_off.max_interval.ToMilliseconds()) == (200, 2000)
    for source in (dynamic.cds_config, dynamic.lds_config):
        assert source.WhichOneof("config_source_specifier") == "ads"
        assert source.resource_api_version == config_source_pb2.V3


@pytest.mark.parametrize(
    ("place", "host", "kind", "families"),
    [
        ("xds.mesh.test:18000", "xds.mesh.test", "LOGICAL_DNS", "ALL"),
        ("10.0.0.7:18000", "10.0.0.7", "STATIC", "AUTO"),
        ("[fd00::7]:18000", "fd00::7", "STATIC", "AUTO"),
    ],
)
def test_a_control_plane_with_a_name_is_looked_up_again_and_again(
    bootstrap, place, host, kind, families
) -> None:
    cluster = control_plane(bootstrap("--control-plane", place))
    (locality,) = cluster.load_assignment.endpoints
    address = locality.lb_endpoints[0].endpoint.address.socket_address
    assert (address.address, address.port_value) == (host, 18000)
    assert cluster.name == cluster.load_assignment.cluster_name == "xds"
    assert cluster_pb2.Cluster.DiscoveryType.Name(cluster.type) == kind
    assert cluster_pb2.Cluster.DnsLookupFamily.Name(cluster.dns_lookup_family) == families
    assert cluster.connect_timeout.ToSeconds() == 1
    assert not cluster.HasField("transport_socket")


def test_the_control_plane_is_spoken_to_in_http2_with_pings(bootstrap) -> None:
    options = http_protocol_options_pb2.HttpProtocolOptions()
    (packed,) = control_plane(bootstrap()).typed_extension_protocol_options.values()
    assert packed.Unpack(options)
    keepalive = options.explicit_http_config.http2_protocol_options.connection_keepalive
    assert (keepalive.interval.ToSeconds(), keepalive.timeout.ToSeconds()) == (30, 5)


def test_the_admin_of_envoy_is_for_this_machine_only(bootstrap) -> None:
    addresses = [bootstrap(*flags).admin.address.socket_address for flags in ((), ("--admin-port", "0"))]
    assert [(place.address, place.port_value) for place in addresses] == [
        ("127.0.0.1", 19000),
        ("127.0.0.1", 0),
    ]


@pytest.mark.parametrize(
    ("flags", "kind", "name", "sni"),
    [
        (("--control-plane", "xds.mesh.test:1"), "DNS", "xds.mesh.test", "xds.mesh.test"),
        (("--control-plane", "10.0.0.7:1"), "IP_ADDRESS", "10.0.0.7", ""),
        (("--control-plane", "10.0.0.7:1", "--tls-san", "cp.test"), "DNS", "cp.test", ""),
        (("--control-plane", "xds:1", "--tls-san", "spiffe://mesh/cp"), "URI", "spiffe://mesh/cp", "xds"),
    ],
)
def test_with_tls_the_control_plane_must_prove_a_name(bootstrap, flags, kind, name, sni) -> None:
    context = tls(bootstrap("--tls-ca", "/pki/ca.crt", *flags))
    validation = context.common_tls_context.validation_context
    (san,) = validation.match_typed_subject_alt_names
    assert common_pb2.SubjectAltNameMatcher.SanType.Name(san.san_type) == kind
    assert (san.matcher.exact, context.sni) == (name, sni)
    assert validation.trusted_ca.filename == "/pki/ca.crt"
    assert list(context.common_tls_context.alpn_protocols) == ["h2"]
    assert not context.common_tls_context.tls_certificates


def test_with_a_certificate_the_sidecar_proves_its_own_name(bootstrap) -> None:
    context = tls(bootstrap("--tls-ca", "ca", "--tls-cert", "/pki/tls.crt", "--tls-key", "/pki/tls.key"))
    (mine,) = context.common_tls_context.tls_certificates
    assert (mine.certificate_chain.filename, mine.private_key.filename) == ("/pki/tls.crt", "/pki/tls.key")


@pytest.mark.envoy
def test_envoy_accepts_mutual_tls_without_a_warning(pilothouse, validated, tmp_path) -> None:
    ca = trustme.CA()
    mine = ca.issue_cert("web-0.test")
    ca.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    mine.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "tls.pem"))
    files = (
        "--tls-ca",
        tmp_path / "ca.crt",
        "--tls-cert",
        tmp_path / "tls.pem",
        "--tls-key",
        tmp_path / "tls.pem",
    )
    (tmp_path / "b.json").write_text(pilothouse(*WEB, *files, "--tls-san", "spiffe://mesh/cp").out)
    assert validated(tmp_path / "b.json") == "0 configuration 'b.json' OK"


def test_a_zone_that_yaml_would_take_for_a_boolean_stays_text(pilothouse) -> None:
    node = json.loads(pilothouse(*WEB, "--locality", "no/y").out)["node"]
    assert node["locality"] == {"region": "no", "zone": "y"}


def test_the_printed_bytes_are_the_same_in_every_process(pilothouse, process) -> None:
    arguments = (*WEB, "--locality", "eu/eu-a", "--dependency", "b/b", "--dependency", "a/a")
    assert process(*arguments) == pilothouse(*arguments)
