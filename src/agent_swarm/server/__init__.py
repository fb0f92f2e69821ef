"""The control plane's faces over HTTP: they parse, call a service and render. `app` composes them, `main` runs them."""
