"""How good forecasts are on recorded series: published protocols, peers, and how sure the figures are."""
