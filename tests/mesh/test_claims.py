from dataclasses import replace

from pilothouse.mesh.claims import Claims
from pilothouse.model.routing import Backend, Route, RouteKind, Rule
from pilothouse.model.services import Port, ServiceName, ServiceSpec


def spec(name: str, vip: str = "", alias_of: str = "", created: str = "") -> ServiceSpec:
    return ServiceSpec(
        ServiceName("shop", name),
        (Port("http", 80),),
        vips=(vip,) if vip else (),
        external_name=f"{alias_of}.shop.svc.cluster.local" if alias_of else "",
        created=created,
    )


def test_of_two_services_with_one_virtual_ip_the_older_has_it() -> None:
    claims = Claims()
    old, new = (
        spec("b", "10.96.0.1", created="2024-01-01T00:00:00Z"),
        spec("a", "10.96.0.1", created="2025-01-01T00:00:00Z"),
    )
    claims.stake(new)
    assert claims.resolve(new).spec.vips == ("10.96.0.1",)
    assert claims.stake(old) == {new.name}
    assert claims.resolve(new).spec.vips == ()
    assert claims.resolve(old).spec.vips == ("10.96.0.1",)


def test_a_virtual_ip_that_is_given_up_goes_to_the_next() -> None:
    claims = Claims()
    first, second = spec("a", "10.96.0.1"), spec("b", "10.96.0.1")
    claims.stake(first)
    claims.stake(second)
    assert claims.resolve(second).spec.vips == ()
    assert claims.release(first) == {second.name}
    assert claims.resolve(second).spec.vips == ("10.96.0.1",)


def test_a_chain_of_aliases_ends_at_its_service_and_follows_it() -> None:
    claims = Claims()
    service, alias, alias_of_alias = spec("green"), spec("web", alias_of="green"), spec("www", alias_of="web")
    claims.stake(alias_of_alias)
    claims.stake(alias)
    assert claims.resolve(alias_of_alias).answering is None
    assert claims.stake(service) == {alias.name, alias_of_alias.name}
    assert claims.resolve(alias_of_alias).answering == service
    assert claims.release(service) == {alias.name, alias_of_alias.name}


def test_aliases_in_a_circle_lead_nowhere() -> None:
    claims = Claims()
    one, other = spec("one", alias_of="other"), spec("other", alias_of="one")
    claims.stake(one)
    claims.stake(other)
    assert claims.resolve(one).answering is None
    assert claims.resolve(other).answering is None


def test_an_alias_of_itself_leads_nowhere() -> None:
    claims = Claims()
    alias = spec("one", alias_of="one")
    claims.stake(alias)
    assert claims.resolve(alias).answering is None


def test_of_equally_old_services_the_first_by_name_and_then_namespace_has_a_virtual_ip() -> None:
    claims = Claims()
    specs = [
        ServiceSpec(name, vips=("10.96.0.1",))
        for name in map(ServiceName, "acb", ("carts", "bills", "bills"))
    ]
    for each in specs:
        claims.stake(each)
    assert [each.name for each in specs if claims.resolve(each).spec.vips] == [ServiceName("b", "bills")]


def test_an_alias_that_is_concerned_by_its_name_as_well_passes_on_what_changes() -> None:
    """`a.web` is `x/a` by a suffix, unless there is a service `a` in `web`, which it is an alias of."""

    def named(namespace: str, name: str, target: str = "") -> ServiceSpec:
        to = f"{target}.svc.cluster.local" if target else ""
        return ServiceSpec(ServiceName(namespace, name), external_name=to, suffixes=(".web",))

    claims = Claims()
    for each in (named("x", "a", "a.web"), named("x", "b", "a.x")):
        claims.stake(each)
    assert claims.stake(named("web", "a")) == {ServiceName("x", "a"), ServiceName("x", "b")}


def test_a_backend_that_becomes_an_alias_of_the_service_that_leads_to_it_is_none() -> None:
    claims = Claims()
    rule = Rule(backends=(Backend("shop", "blue", 80),))
    parent = replace(spec("web"), routes=(Route(RouteKind.HTTP, "shop", "r", (rule,)),))
    claims.stake(parent)
    claims.stake(spec("blue"))
    assert claims.resolve(spec("blue", alias_of="web")).backends == ()
