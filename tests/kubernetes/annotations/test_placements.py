"""What a Service says about who gets which of its endpoints first."""

from __future__ import annotations

import pytest

from pilothouse.model.services import NEAREST, NOWHERE, Distribution, Failover, Locality, Placement, Prefer

from ..objects.test_services import annotated, manifest

EU, US, AP = Locality("eu"), Locality("us"), Locality("ap")
EU_A, EU_B = Locality("eu", "a"), Locality("eu", "b")


def placement(parsed, spec: str = "", **annotations: str) -> tuple[Placement, list[str]]:
    """What is read, and the warnings."""
    found = parsed(annotated(spec, **annotations))
    return found.object.placement, [str(warning) for warning in found.warnings]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", NEAREST),
        ("internalTrafficPolicy: Cluster\nexternalTrafficPolicy: Local", NEAREST),
        ("internalTrafficPolicy: Local", Placement(local=True)),
        ("trafficDistribution: PreferClose", Placement(prefer=Prefer.SAME_ZONE)),
        ("trafficDistribution: PreferSameZone", Placement(prefer=Prefer.SAME_ZONE)),
        ("trafficDistribution: PreferSameNode", Placement(prefer=Prefer.SAME_NODE)),
        ("ipFamilies: [IPv4, IPv6]\nipFamilyPolicy: RequireDualStack", NEAREST),
        ("sessionAffinity: None", NEAREST),
        ("sessionAffinity: ClientIP", Placement(sticky=True)),
        ("ipFamilies: [IPv6, IPv4]", Placement(ipv6_first=True)),
    ],
)
def test_the_spec_is_read(parsed, spec: str, expected: Placement) -> None:
    assert placement(parsed, spec) == (expected, [])


def test_a_service_that_says_nothing_shares_the_plain_placement(parsed) -> None:
    assert placement(parsed)[0] is NEAREST


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("internalTrafficPolicy: Node", 'spec.internalTrafficPolicy: "Node" is not one of Cluster, Local'),
        ("sessionAffinity: Cookie", 'spec.sessionAffinity: "Cookie" is not one of None, ClientIP'),
        ("trafficDistribution: Near", 'spec.trafficDistribution: "Near" is not one of PreferClose'),
        ("ipFamilies: [IPv4, IPv5]", 'spec.ipFamilies[1]: "IPv5" is neither IPv4 nor IPv6'),
    ],
)
def test_what_the_api_server_would_refuse_is_refused(refused, spec: str, message: str) -> None:
    assert message in refused(manifest(f"ports: [{{port: 80}}]\n{spec}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("eu=us", [Failover(EU, (US,))]),
        (" eu = us , ap ; us=eu,none;", [Failover(EU, (US, AP)), Failover(US, (EU,), True)]),
        ("eu=none", [Failover(EU, (), True)]),
        ("none", [Failover(NOWHERE, (), True)]),
        ("*=us; eu=ap; eu/a=eu/b", [Failover(EU_A, (EU_B,)), Failover(EU, (AP,)), Failover(NOWHERE, (US,))]),
        ("*/a=eu/*/s1", [Failover(Locality("", "a"), (Locality("eu", "", "s1"),))]),
    ],
)
def test_failover_is_a_list_of_places_for_each_place(parsed, text: str, expected: list[Failover]) -> None:
    assert placement(parsed, failover=text) == (Placement(failover=tuple(expected)), [])


def test_distribute_is_a_list_of_shares_for_each_place(parsed) -> None:
    text = "eu: eu=50, eu/a=50; eu/a: eu/a=80, eu/b=15, us=5, ap=0"
    of_zone = Distribution(EU_A, ((EU_A, 80), (EU_B, 15), (US, 5), (AP, 0)))
    of_region = Distribution(EU, ((EU_A, 50), (EU, 50)))
    assert placement(parsed, distribute=text) == (Placement(distribute=(of_zone, of_region)), [])


def test_hints_can_be_ignored(parsed) -> None:
    assert placement(parsed, hints="ignore") == (Placement(hints=False), [])
    assert placement(parsed, hints="use") == (NEAREST, [])


def test_an_overprovisioning_factor_is_in_percent(parsed) -> None:
    assert placement(parsed, overprovisioning_factor="200") == (Placement(overprovisioning=200), [])


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("failover", "eu"),
        ("failover", "eu="),
        ("failover", "=us"),
        ("failover", "eu=us,none,ap"),
        ("failover", "eu=a/b/c/d"),
        ("failover", "eu=" + ",".join(["us"] * 33)),
        ("distribute", "eu/a"),
        ("distribute", "eu/a: eu/b"),
        ("distribute", "eu/a: eu/b=x"),
        ("distribute", "eu/a: eu/b=-1"),
        ("distribute", "eu/a: eu/b=1001"),
        ("distribute", "eu/a: eu/b=0"),
        ("distribute", "eu/a: =5"),
        ("hints", "no"),
        ("overprovisioning_factor", "0"),
        ("overprovisioning_factor", "1.4"),
        ("overprovisioning_factor", "1000001"),
        ("overprovisioning_factor", "٣"),
    ],
)
def test_a_rule_that_makes_no_sense_is_ignored_with_a_warning(parsed, annotation: str, text: str) -> None:
    found, (warning,) = placement(parsed, **{annotation: text})
    assert found == NEAREST
    assert warning.startswith(f"metadata.annotations[pilothouse.dev/{annotation.replace('_', '-')}]: ")


def test_the_other_rules_still_count(parsed) -> None:
    found, warnings = placement(parsed, failover="eu=us; us; ap=eu")
    assert [rule.client for rule in found.failover] == [EU, AP]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("annotations", "sticky"),
    [
        ({"hash_on": "client"}, True),
        ({"load_balancing": "maglev"}, True),
        ({"hash_on": "header:x-user"}, False),
        ({"load_balancing": "random"}, False),
    ],
)
def test_clients_stay_at_an_endpoint_however_it_is_said(parsed, annotations, sticky) -> None:
    assert placement(parsed, **annotations)[0] == (Placement(sticky=True) if sticky else NEAREST)
