// istiod, as its own main starts it: this module only says which version is built.
package main

import (
	"os"

	"istio.io/istio/pilot/cmd/pilot-discovery/app"
	"istio.io/istio/pkg/log"
)

func main() {
	log.EnableKlogWithCobra()
	root := app.NewRootCommand()
	if err := root.Execute(); err != nil {
		log.Error(err)
		os.Exit(-1)
	}
}
