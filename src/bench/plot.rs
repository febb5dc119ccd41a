//! Latency against load as a drawing (SVG): for each receiver a line through its loads, the median
//! dashed and the slowest hundredth drawn through. Times stand on a logarithmic scale.
use std::fmt::Write as _;

use serde_json::Value;

/// One load of one receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Acknowledgements in a second.
    pub per_second: f64,
    /// Median in nanoseconds.
    pub p50: f64,
    /// The slowest hundredth in nanoseconds.
    pub p99: f64,
}

impl Point {
    /// From one result of `larm bench load --json`; `None` where it is none.
    #[must_use]
    pub fn from_json(result: &Value) -> Option<Self> {
        let times = result.get("latency")?.get("all")?;
        let point = Self {
            per_second: result.get("per_second")?.as_f64()?,
            p50: times.get("p50")?.as_f64()?,
            p99: times.get("p99")?.as_f64()?,
        };
        (point.p50 > 0.0).then_some(point)
    }
}

/// One receiver.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// In any order.
    pub points: Vec<Point>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 52.0;

/// Told apart also by who sees no red or no green.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// Where values stand on the drawing.
struct Scale {
    /// Acknowledgements in a second at the right end.
    most: f64,
    /// Powers of ten of nanoseconds at the lower and the upper end.
    decades: (f64, f64),
}

impl Scale {
    fn over(series: &[Series]) -> Self {
        let points = || series.iter().flat_map(|series| &series.points);
        let fastest = points().map(|point| point.per_second).fold(1.0, f64::max);
        let least = points().map(|point| point.p50).fold(f64::MAX, f64::min);
        let slowest = points().map(|point| point.p99).fold(1_000.0, f64::max);
        let low = least.min(slowest).max(1.0).log10().floor();
        Self {
            most: nice(fastest),
            decades: (low, slowest.log10().ceil().max(low + 1.0)),
        }
    }

    fn x(&self, per_second: f64) -> f64 {
        LEFT + per_second / self.most * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, nanos: f64) -> f64 {
        let (low, high) = self.decades;
        let share = (nanos.max(1.0).log10() - low) / (high - low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

/// The next of 1, 2, 2.5 and 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|bound| *bound >= value)
        .unwrap_or(value)
}

/// The drawing.
#[must_use]
pub fn svg(title: &str, series: &[Series]) -> String {
    let scale = Scale::over(series);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    axes(&scale, &mut out);
    for (place, one) in series.iter().enumerate() {
        let colour = COLOURS.get(place % COLOURS.len()).unwrap_or(&"#000000");
        line(&scale, one, colour, &mut out);
        legend(place, &one.name, colour, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn axes(scale: &Scale, out: &mut String) {
    let bottom = HEIGHT - BOTTOM;
    let right = WIDTH - RIGHT;
    let (low, high) = scale.decades;
    let mut decade = low;
    while decade <= high {
        let y = scale.y(10f64.powf(decade));
        put(
            out,
            &format!(
                "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#d0d0d0\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                decade_name(decade)
            ),
        );
        decade += 1.0;
    }
    for step in 0..=5 {
        let value = scale.most * f64::from(step) / 5.0;
        let x = scale.x(value);
        put(
            out,
            &format!(
                "<path d=\"M{x:.1} {bottom}v5\" stroke=\"#000000\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 20.0,
                thousands(value)
            ),
        );
    }
    put(
        out,
        &format!(
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" stroke=\"#000000\" fill=\"none\"/>\
             <text x=\"{right}\" y=\"{}\" text-anchor=\"end\">acknowledgements in a second</text>\
             <text x=\"{}\" y=\"20\" text-anchor=\"end\">drawn through: p99; dashed: p50</text>",
            bottom + 42.0,
            right
        ),
    );
}

fn line(scale: &Scale, series: &Series, colour: &str, out: &mut String) {
    let mut points = series.points.clone();
    points.sort_unstable_by(|a, b| a.per_second.total_cmp(&b.per_second));
    let path = |of: fn(&Point) -> f64| {
        let mut path = String::new();
        for (place, point) in points.iter().enumerate() {
            let verb = if place == 0 { 'M' } else { 'L' };
            let (x, y) = (scale.x(point.per_second), scale.y(of(point)));
            put(&mut path, &format!("{verb}{x:.1} {y:.1}"));
        }
        path.replace('\n', "")
    };
    put(
        out,
        &format!(
            "<path d=\"{}\" stroke=\"{colour}\" stroke-width=\"2\" fill=\"none\"/>\
             <path d=\"{}\" stroke=\"{colour}\" stroke-dasharray=\"5 4\" fill=\"none\"/>",
            path(|point| point.p99),
            path(|point| point.p50)
        ),
    );
    for point in &points {
        let (x, y) = (scale.x(point.per_second), scale.y(point.p99));
        put(
            out,
            &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"),
        );
    }
}

fn legend(place: usize, name: &str, colour: &str, out: &mut String) {
    let x = LEFT + 130.0 * f64::from(u32::try_from(place).unwrap_or(0));
    put(
        out,
        &format!(
            "<path d=\"M{x} 36h22\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{}\" y=\"40\">{}</text>",
            x + 28.0,
            escaped(name)
        ),
    );
}

fn put(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes everything");
}

#[expect(clippy::cast_possible_truncation, reason = "a small whole number")]
fn decade_name(decade: f64) -> String {
    let (power, unit) = match decade as i32 {
        power if power < 3 => (power, "ns"),
        power if power < 6 => (power - 3, "µs"),
        power if power < 9 => (power - 6, "ms"),
        power => (power - 9, "s"),
    };
    format!("{} {unit}", 10f64.powi(power))
}

fn thousands(value: f64) -> String {
    if value >= 1_000.0 {
        format!("{}k", value / 1_000.0)
    } else {
        format!("{value}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(f64, f64, f64)]) -> Series {
        let points = points.iter().map(|&(per_second, p50, p99)| Point {
            per_second,
            p50,
            p99,
        });
        Series {
            name: name.to_owned(),
            points: points.collect(),
        }
    }

    #[test]
    fn a_slower_receiver_stands_higher_and_more_load_further_right() {
        let drawn = [series("a", &[(1_000.0, 1e5, 1e6), (90_000.0, 2e5, 1e7)])];
        let scale = Scale::over(&drawn);
        assert!(scale.y(1e7) < scale.y(1e6));
        assert!(scale.x(90_000.0) > scale.x(1_000.0));
        assert!(scale.x(90_000.0) <= WIDTH - RIGHT);
        assert!(scale.y(1e7) >= TOP - 0.01);
        assert!(scale.y(1e5) <= HEIGHT - BOTTOM + 0.01);
    }

    #[test]
    fn names_are_escaped_and_everything_is_drawn() {
        let drawn = [
            series("a<b", &[(1_000.0, 1e5, 1e6)]),
            series("c", &[(2_000.0, 1e5, 1e6), (1.0, 1e4, 1e5)]),
        ];
        let text = svg("T & U", &drawn);
        assert!(text.contains("a&lt;b") && text.contains("T &amp; U"));
        assert_eq!(text.matches("<circle").count(), 3);
        assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }

    #[test]
    fn reads_results_of_a_load() {
        let result = serde_json::json!({
            "per_second": 5.0, "latency": {"all": {"p50": 7, "p99": 9}}
        });
        let point = Point::from_json(&result).unwrap();
        assert!((point.p99 - 9.0).abs() < 1e-9);
        assert_eq!(Point::from_json(&serde_json::json!({"x": 1})), None);
    }
}
