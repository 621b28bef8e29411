"""The Grafana dashboards of the chart, and their pictures: `make dashboards` writes both."""
