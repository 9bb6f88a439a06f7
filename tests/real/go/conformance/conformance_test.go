// The conformance suite of the Gateway API as a test binary, made by `go test -c`.
package mesh

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) { conformance.RunConformance(t) }
