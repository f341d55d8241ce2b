"""The units that can be converted: names in both languages and size in the base unit of their dimension."""

from __future__ import annotations

from fractions import Fraction

from attrs import frozen


@frozen(kw_only=True)
class Unit:
    """A value of `x` units is `x * size + zero` base units."""

    dimension: str
    size: Fraction
    zero: Fraction = Fraction(0)
    one: str
    many: str
    chinese: str


DIMENSIONS = {
    "length": "长度", "mass": "重量", "volume": "体积", "speed": "速度", "time": "时间", "temperature": "温度"
}  # fmt: skip

# dimension | size | zero | singular | plural | further English names | Chinese name | further Chinese names
_TABLE = """
length | 1/1000      | 0 | millimeter | millimeters | millimetre millimetres mm | 毫米 |
length | 1/100       | 0 | centimeter | centimeters | centimetre centimetres cm | 厘米 | 公分
length | 1/10        | 0 | decimeter | decimeters | decimetre decimetres dm | 分米 |
length | 1           | 0 | meter | meters | metre metres m | 米 | 公尺
length | 1000        | 0 | kilometer | kilometers | kilometre kilometres km kms | 公里 | 千米
length | 0.0254      | 0 | inch | inches | | 英寸 | 寸 吋
length | 0.3048      | 0 | foot | feet | ft | 英尺 | 呎
length | 0.9144      | 0 | yard | yards | yd yds | 码 |
length | 1609.344    | 0 | mile | miles | mi | 英里 | 哩
length | 1852        | 0 | nautical_mile | nautical_miles | nmi | 海里 |
length | 500         | 0 | li | li | | 里 | 华里
length | 1/3         | 0 | chi | chi | | 尺 | 市尺
mass   | 1/1000      | 0 | milligram | milligrams | mg | 毫克 |
mass   | 1           | 0 | gram | grams | gramme grammes g | 克 |
mass   | 1000        | 0 | kilogram | kilograms | kilo kilos kg kgs | 公斤 | 千克
mass   | 1000000     | 0 | ton | tons | tonne tonnes metric_ton metric_tons t | 吨 |
mass   | 28.349523125 | 0 | ounce | ounces | oz | 盎司 |
mass   | 453.59237   | 0 | pound | pounds | lb lbs | 磅 |
mass   | 6350.29318  | 0 | stone | stones | | 英石 |
mass   | 500         | 0 | jin | jin | catty catties | 斤 | 市斤
mass   | 50          | 0 | liang | liang | tael taels | 两 |
volume | 1           | 0 | milliliter | milliliters | millilitre millilitres ml cc | 毫升 | 立方厘米
volume | 10          | 0 | centiliter | centiliters | centilitre centilitres cl | 厘升 |
volume | 1000        | 0 | liter | liters | litre litres l | 升 | 公升
volume | 1000000     | 0 | cubic_meter | cubic_meters | cubic_metre cubic_metres | 立方米 | 立方
volume | 4.92892159375 | 0 | teaspoon | teaspoons | tsp | 茶匙 |
volume | 14.78676478125 | 0 | tablespoon | tablespoons | tbsp | 汤匙 |
volume | 29.5735295625 | 0 | fluid_ounce | fluid_ounces | fl_oz | 液盎司 |
volume | 236.5882365 | 0 | cup | cups | | 杯 |
volume | 473.176473  | 0 | pint | pints | | 品脱 |
volume | 946.352946  | 0 | quart | quarts | | 夸脱 |
volume | 3785.411784 | 0 | gallon | gallons | gal | 加仑 |
speed  | 1           | 0 | meter_per_second | meters_per_second | metre_per_second metres_per_second m/s | 米每秒 | 米/秒
speed  | 5/18        | 0 | kilometer_per_hour | kilometers_per_hour | km/h kph kmh | 公里每小时 | 千米每小时 公里/小时
speed  | 0.44704     | 0 | mile_per_hour | miles_per_hour | miles_an_hour mph | 英里每小时 | 英里/小时
speed  | 463/900     | 0 | knot | knots | | 节 |
time   | 1/1000      | 0 | millisecond | milliseconds | ms | 毫秒 |
time   | 1           | 0 | second | seconds | sec secs s | 秒 | 秒钟
time   | 60          | 0 | minute | minutes | min mins | 分钟 | 分
time   | 3600        | 0 | hour | hours | hr hrs h | 小时 | 钟头
time   | 86400       | 0 | day | days | | 天 | 日
time   | 604800      | 0 | week | weeks | | 周 | 星期 礼拜
time   | 31536000    | 0 | year | years | | 年 |
temperature | 1   | 273.15     | degree_Celsius | degrees_Celsius | degrees_c celsius centigrade c °_c | 摄氏度 | 度 ℃
temperature | 5/9 | 45967/180  | degree_Fahrenheit | degrees_Fahrenheit | degrees_f fahrenheit f °_f | 华氏度 | ℉
temperature | 1   | 0          | kelvin | kelvin | kelvins k | 开尔文 | 开氏度
"""


def _read() -> tuple[dict[tuple[str, ...], Unit], dict[str, Unit]]:
    english: dict[tuple[str, ...], Unit] = {}
    chinese: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        dimension, size, zero, one, many, names, name, more = (cell.strip() for cell in line.split("|"))
        unit = Unit(
            dimension=dimension,
            size=Fraction(size),
            zero=Fraction(zero),
            one=one.replace("_", " "),
            many=many.replace("_", " "),
            chinese=name,
        )
        for alias in (one, many, *names.split()):
            english[tuple(alias.lower().replace("_", " ").replace("/", " / ").split())] = unit
        for alias in (name, *more.split()):
            chinese[alias] = unit
    return english, chinese


ENGLISH, CHINESE = _read()
"""Units by name: English names in words, Chinese names whole."""
