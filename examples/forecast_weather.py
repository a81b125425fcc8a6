"""Forecast Seattle's daily maximum temperature a week ahead, and see whether a GRU beats a linear model.

Run: python examples/forecast_weather.py
"""

from ostinato.data import load
from ostinato.tasks import Climatology, Forecaster, Linear, Naive, plot_over_time, score

weather = load("seattle-weather")  # unique_id, ds, y (°C), temp_min, precipitation, wind

forecasters = [Naive(horizon=7), Climatology(horizon=7), Linear(horizon=7), Forecaster("gru", horizon=7, random_state=0)]
for forecaster in forecasters:
    # Fitted once on 2012 to 2014; then a forecast from every day of 2015.
    table = forecaster.cross_validation(weather, h=7, n_windows=359, step_size=1)
    print(f"{forecaster.column:12} {score(table, forecaster.column).mae:.3f} °C")

gru = forecasters[-1]
print(gru.predict(weather, 7))  # the first week of 2016
plot_over_time(table, ["gru"], step="day", label="temp_max in °C").figure.savefig("forecast.png", dpi=150)
