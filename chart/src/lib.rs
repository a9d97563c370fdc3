//! kiel-chart.
