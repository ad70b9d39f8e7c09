"""What benches and tests stand on: a service process, stores that can be broken, a proxy, made generations."""
