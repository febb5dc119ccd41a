//! The configuration as its users meet it: defaults, examples, and what is said about mistakes.
use super::schema::SECTIONS;
use super::*;
use proptest::prelude::*;
use std::time::Duration;

fn problems(text: &str) -> String {
    match Config::parse("larm.toml", text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn an_empty_file_is_the_default() {
    assert_eq!(Config::parse("larm.toml", "").unwrap(), Config::default());
    let urls: Vec<String> = Config::default()
        .listeners
        .iter()
        .flat_map(|listener| listener.urls().map(|url| url.to_string()))
        .collect();
    assert_eq!(
        urls,
        ["dc09+tcp://127.0.0.1:3061", "dc09+udp://127.0.0.1:3061"]
    );
}

#[test]
fn the_schema_tells_the_defaults_of_the_types() {
    let config = Config::default();
    for section in SECTIONS {
        for key in section.keys {
            // Those have none by default, and tests of their own.
            if ["connector", "acknowledge", "shadow"].contains(&section.name) {
                continue;
            }
            let real = if section.repeated {
                let needed = ["name", "address"].contains(&key.name);
                config.listeners[0].show(key.name).filter(|_| !needed)
            } else {
                config.show(section.name, key.name)
            };
            let place = format!("[{}] {}", section.name, key.name);
            assert_eq!(real.unwrap_or_default(), key.default, "{place}");
        }
    }
}

#[test]
fn what_is_printed_reads_back() {
    let config = Config::default();
    let text = config.to_toml();
    assert_eq!(Config::parse("defaults", &text).unwrap(), config, "{text}");
}

#[test]
fn an_unknown_key_is_shown_with_its_place_and_the_nearest_one() {
    let text = "[gateway]\nnode = \"north\"\nack_dedline = \"1s\"\n";
    assert_eq!(
        problems(text),
        "\
error: [gateway] has no key `ack_dedline`
 --> larm.toml:3:1
  |
3 | ack_dedline = \"1s\"
  | ^^^^^^^^^^^ did you mean `ack_deadline`?

larm.toml: 1 problem"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let told = problems(
        "[gatway]\n[queue]\nalarms = \"many\"\nrest = 1\n[log]\nlevel = \"verbose\"\n[repeats]\nwindow = 90\n",
    );
    for says in [
        "there is no section [gatway]",
        "did you mean [gateway]?",
        "`alarms` cannot be \"many\": it is text",
        "`rest` cannot be 1: it is out of range",
        "a number of frames from 16 to 1048576",
        "`level` cannot be \"verbose\": it is none of the words",
        "\"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        "`window` cannot be 90: the unit is missing",
        "write a duration from \"1s\" to \"1d\"",
        "larm.toml:8:10",
        "5 problems",
    ] {
        assert!(told.contains(says), "lacks {says:?}:\n{told}");
    }
}

#[test]
fn a_key_of_another_section_is_led_home() {
    let told = problems("[queue]\nack_deadline = \"1s\"\n");
    assert!(told.contains("`ack_deadline` in [gateway]"), "{told}");
}

#[test]
fn listeners_are_held_against_each_other() {
    let told = problems(
        r#"
[[listener]]
name = "a"
address = ["0.0.0.0:3061", "[::]:3061"]
[[listener]]
name = "a"
address = "127.0.0.1:3061"
[[listener]]
name = "u"
transport = "udp"
address = "127.0.0.1:3061"
idle_timeout = "1h"
[[listener]]
address = "localhost:3061"
first_byte_timeout = "1h"
idle_timeout = "60s"
"#,
    );
    for says in [
        "the listener name \"a\" stands here twice",
        "127.0.0.1:3061 over tcp, which 0.0.0.0:3061 covers, stands here twice",
        "first here",
        "`idle_timeout` has no meaning with transport = \"udp\"",
        "[[listener]] lacks the key `name`",
        "localhost is 127.0.0.1",
        "first_byte_timeout = \"1h\" is longer than idle_timeout = \"1m\"",
        "6 problems",
    ] {
        assert!(told.contains(says), "lacks {says:?}:\n{told}");
    }
}

#[test]
fn brackets_are_corrected() {
    let told = problems("[listener]\nname = \"a\"\n");
    assert!(
        told.contains("write [[listener]], in double brackets"),
        "{told}"
    );
    let told = problems("[[queue]]\nalarms = 99\n");
    assert!(told.contains("write [queue] once"), "{told}");
    let told = problems("queue = 7\n");
    assert!(told.contains("write [queue] once"), "{told}");
}

#[test]
fn syntax_errors_have_a_place() {
    let told = problems("[gateway]\nnode = \"north\ndata = \"x\"\n");
    assert!(
        told.contains("this is no TOML") && told.contains("larm.toml:2:"),
        "{told}"
    );
}

#[test]
fn sections_are_held_against_each_other() {
    let told = problems("[gateway]\nack_deadline = \"10s\"\n");
    assert!(
        told.contains("drain_timeout = \"5s\" is shorter than ack_deadline = \"10s\""),
        "{told}"
    );
    let told = problems("[flood]\ndamaged_total = 5\n");
    assert!(
        told.contains("damaged_per_peer = 10 is more than damaged_total = 5"),
        "{told}"
    );
}

#[test]
fn control_characters_of_the_file_never_reach_the_terminal() {
    let told = problems("# \u{1b}[31m red \u{9b}31m \u{202e}\nx\u{7f} = 1\n\"\\u001b\" = 1\n");
    assert!(
        !told.chars().any(|c| c.is_control() && c != '\n'),
        "{told:?}"
    );
}

#[test]
fn every_value_is_read() {
    let config = Config::parse("full.toml", include_str!("../../docs/examples/full.toml")).unwrap();
    let default = Config::default();
    for section in SECTIONS {
        for key in section.keys {
            // Those have none by default, and tests of their own.
            if ["connector", "acknowledge", "shadow"].contains(&section.name) {
                continue;
            }
            let (found, usual) = if section.repeated {
                let all = config
                    .listeners
                    .iter()
                    .filter_map(|one| one.show(key.name))
                    .collect();
                (all, default.listeners[0].show(key.name))
            } else {
                let one: Vec<String> = config.show(section.name, key.name).into_iter().collect();
                (one, default.show(section.name, key.name))
            };
            // The only protocol there is cannot be another one.
            let other = found.iter().any(|value| usual.as_ref() != Some(value));
            assert!(
                other || key.name == "protocol",
                "[{}] {} is not read",
                section.name,
                key.name
            );
        }
    }
}

#[test]
fn every_example_is_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");
    let mut names: Vec<String> = Vec::new();
    let connectors = format!("{folder}/connectors");
    let entries = std::fs::read_dir(folder).unwrap();
    for entry in entries.chain(std::fs::read_dir(connectors).unwrap()) {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            if let Err(error) = Config::load(&path, &|_| None) {
                panic!("{error}");
            }
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    for name in [
        "full.toml",
        "hold-unknown.toml",
        "minimal.toml",
        "strict.toml",
        "two-networks.toml",
    ] {
        assert!(names.iter().any(|one| one == name), "{name} is missing");
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let page = include_str!("../../docs/src/config.md");
    let tables = reference();
    assert!(
        page.contains(&tables),
        "put this into docs/src/config.md:\n{tables}"
    );
}

#[test]
fn listen_urls_become_listeners_with_names() {
    let urls: Vec<ListenUrl> = [
        "dc09+tcp://127.0.0.1:1",
        "dc09+udp://127.0.0.1:1",
        "dc09+tcp://127.0.0.1:2",
    ]
    .iter()
    .map(|url| url.parse().unwrap())
    .collect();
    let names: Vec<String> = Listener::from_urls(&urls)
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, ["dc09-tcp", "dc09-udp", "dc09-tcp-2"]);
}

#[test]
fn the_protocols_are_those_of_the_registry() {
    for name in PROTOCOLS {
        assert!(
            crate::registry::Protocol::from_name(name).is_some(),
            "{name}"
        );
    }
    assert_eq!(PROTOCOLS, crate::registry::ACCOUNT_RULES.protocols);
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nowhere/larm.toml"), &|_| None).unwrap_err();
    assert!(error.to_string().contains("/nowhere/larm.toml"));
}

#[test]
fn durations_are_read_as_written() {
    let config = Config::parse("x", "[gateway]\nack_deadline = \"1500ms\"\n").unwrap();
    assert_eq!(config.gateway.ack_deadline, Duration::from_millis(1500));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_answered(text: String) {
        if let Err(error) = Config::parse("x", &text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Lines that are nearly right come nearer to the edges than any text.
    #[test]
    fn nearly_right_text_is_answered(
        lines in proptest::collection::vec(
            (
                prop_oneof![
                    Just("[gateway]"), Just("[[listener]]"), Just("[queue]"), Just("[log]"),
                    Just("[listener]"), Just("name = "), Just("address = "), Just("alarms = "),
                    Just("ack_deadline = "), Just("level = "), Just("frame_max = "), Just("é = "),
                ],
                prop_oneof![
                    Just(""), Just("\"1s\""), Just("[\"127.0.0.1:1\", 7]"), Just("{ a = 1 }"),
                    Just("0x7fff_ffff_ffff_ffff"), Just("-1"), Just("1e300"), Just("\"é\u{202e}\u{1b}\""),
                    Just("1979-05-27"), Just("true"), Just("\"\"\"\n"), Just("[["),
                ],
            ),
            0..12,
        )
    ) {
        let text: Vec<String> = lines.iter().map(|(key, value)| format!("{key}{value}")).collect();
        let text = text.join("\n");
        if let Err(error) = Config::parse("x", &text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
