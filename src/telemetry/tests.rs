use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::kv::Value;
use log::{Level, Log, Record};

use super::{Discreet, LogGuard, build};
use crate::config::{LogFormat, LogSettings};
use crate::domain::time::{ManualClock, Timestamp};

/// Long enough for any machine; a passing test never waits that long.
const EVER: Duration = Duration::from_secs(60);

/// A sink that keeps what is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no poison").clone()).expect("UTF-8")
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no poison").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink whose first write reports that it has begun, and blocks until it may go on.
struct Stuck {
    begun: Sender<()>,
    go_on: Receiver<()>,
    memory: Memory,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Both ends are gone once the test is over.
        let _ = self.begun.send(());
        let _ = self.go_on.recv();
        self.memory.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stuck() -> (Stuck, Receiver<()>, Sender<()>, Memory) {
    let ((begun, has_begun), (may_go_on, go_on)) = (mpsc::channel(), mpsc::channel());
    let memory = Memory::default();
    (Stuck { begun, go_on, memory: memory.clone() }, has_begun, may_go_on, memory)
}

fn log_to(sink: impl Write + Send + 'static, format: LogFormat, capacity: usize) -> (Discreet, LogGuard) {
    filtered_log_to("info,quiet=off", sink, format, capacity)
}

fn filtered_log_to(
    filter: &str,
    sink: impl Write + Send + 'static,
    format: LogFormat,
    capacity: usize,
) -> (Discreet, LogGuard) {
    let settings = LogSettings { filter: filter.to_owned(), format };
    let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)));
    build(&settings, clock, Box::new(sink), capacity).expect("a log")
}

fn say(logger: &Discreet, message: &str, pairs: &[(&str, Value<'_>)]) {
    let mut record = Record::builder();
    record.level(Level::Info).target("test").key_values(&pairs);
    logger.log(&record.args(format_args!("{message}")).build());
}

/// What is written for one record.
fn written(format: LogFormat, message: &str, pairs: &[(&str, Value<'_>)]) -> String {
    let memory = Memory::default();
    let (logger, guard) = log_to(memory.clone(), format, 1 << 20);
    say(&logger, message, pairs);
    drop(guard);
    memory.text()
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("JSON")
}

#[test]
fn plain_lines_are_for_people() {
    let pairs = [("user", Value::from(17)), ("agent", Value::from("curl 8 \"x\"")), ("why", Value::from("expired"))];
    assert_eq!(
        written(LogFormat::Plain, "logged in", &pairs),
        "2023-11-14T22:13:20Z INFO  test: logged in user=17 agent=\"curl 8 \\\"x\\\"\" why=expired\n"
    );
}

#[test]
fn json_lines_are_for_programs() {
    let pairs = [("user", Value::from(17)), ("ok", Value::from(true)), ("level", Value::from("x"))];
    let line = json(&written(LogFormat::Json, "say \"hi\"", &pairs));
    let expected = r#"{"time":"2023-11-14T22:13:20Z","level":"info","target":"test","message":"say \"hi\"",
        "user":17,"ok":true,"level_":"x"}"#;
    assert_eq!(line, json(expected));
}

#[test]
fn nobody_forges_a_line() {
    let evil = "x\r\n2023-11-14T22:13:20Z INFO  test: granted\u{1b}[2K\u{9b}1A\u{2028}\u{202e}";
    for format in [LogFormat::Plain, LogFormat::Json] {
        let text = written(format, evil, &[("user", Value::from(evil)), ("a=b\n", Value::from("c"))]);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(text.ends_with('\n'));
        assert!(!text.trim_end_matches('\n').contains(|c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}'));
    }
    let line = json(&written(LogFormat::Json, "m", &[("user", Value::from(evil))]));
    assert_eq!(line["user"], evil, "escaped, and nothing lost");
    let spaced = written(LogFormat::Plain, "m", &[("user", Value::from("eve staff=true"))]);
    assert!(spaced.ends_with("user=\"eve staff=true\"\n"), "{spaced}");
}

#[test]
fn no_line_is_longer_than_8_kib() {
    let long = "é\"\n".repeat(9000);
    for format in [LogFormat::Plain, LogFormat::Json] {
        let pairs = [("a", Value::from(long.as_str())), ("b", Value::from(long.as_str())), ("c", Value::from(1))];
        let text = written(format, &long, &pairs);
        assert!(text.len() <= super::line::MAX_LINE, "{}", text.len());
        assert_eq!(text.matches('\n').count(), 1);
    }
    let line = json(&written(LogFormat::Json, &long, &[("a", Value::from(long.as_str())), ("c", Value::from(1))]));
    assert_eq!((&line["cut"], &line["c"]), (&true.into(), &1.into()));
}

#[test]
fn the_filter_holds() {
    let memory = Memory::default();
    let (logger, guard) = log_to(memory.clone(), LogFormat::Plain, 1 << 20);
    for (level, target) in [(Level::Debug, "test"), (Level::Error, "quiet"), (Level::Warn, "test")] {
        logger.log(&Record::builder().level(level).target(target).args(format_args!("m")).build());
    }
    drop(guard);
    assert_eq!(memory.text(), "2023-11-14T22:13:20Z WARN  test: m\n");
}

#[test]
fn other_peoples_code_is_not_heard_below_info() {
    let memory = Memory::default();
    let (logger, guard) = filtered_log_to("trace,actix_http=trace", memory.clone(), LogFormat::Plain, 1 << 20);
    for (level, target) in [
        (Level::Debug, "actix_http::h1::decoder"),
        (Level::Trace, "knoxide_like::x"),
        (Level::Info, "actix_http"),
        (Level::Trace, "knoxide::x"),
        (Level::Trace, "knoxide"),
    ] {
        let record = Record::builder().level(level).target(target).args(format_args!("m")).build();
        logger.log(&record);
    }
    drop(guard);
    let at = "2023-11-14T22:13:20Z";
    let expected = format!("{at} INFO  actix_http: m\n{at} TRACE knoxide::x: m\n{at} TRACE knoxide: m\n");
    assert_eq!(memory.text(), expected);
}

#[test]
fn a_stuck_reader_stops_nobody_and_is_told_what_it_missed() {
    let (sink, has_begun, may_go_on, memory) = stuck();
    let (logger, guard) = log_to(sink, LogFormat::Json, 1000);
    say(&logger, "first", &[]);
    has_begun.recv().expect("the writer is stuck in its first write");
    for _ in 0..1000 {
        say(&logger, "more", &[]);
    }
    assert!(!guard.flush(Duration::ZERO), "nothing was written yet");
    drop(may_go_on);
    assert!(guard.flush(EVER));
    say(&logger, "last", &[]);
    assert!(guard.flush(EVER));
    let text = memory.text();
    let lines: Vec<_> = text.lines().map(json).collect();
    assert_eq!(lines[0]["message"], "first");
    assert_eq!(lines[lines.len() - 1]["message"], "last");
    let kept = lines.iter().filter(|line| line["message"] == "more").count() as u64;
    let dropped: u64 = lines.iter().filter_map(|line| line["dropped"].as_u64()).sum();
    assert!(kept > 0 && dropped > 0, "{text}");
    assert_eq!(kept + dropped, 1000);
}

#[test]
fn a_stuck_reader_does_not_hold_up_the_end() {
    let (sink, has_begun, _may_go_on, memory) = stuck();
    let (logger, mut guard) = log_to(sink, LogFormat::Plain, 1000);
    guard.limit = Duration::from_millis(1);
    say(&logger, "first", &[]);
    has_begun.recv().expect("the writer is stuck");
    drop(guard);
    assert_eq!(memory.text(), "");
}

#[test]
fn a_reader_who_is_gone_harms_nobody() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let (logger, guard) = log_to(Gone, LogFormat::Plain, 1000);
    say(&logger, "first", &[]);
    assert!(guard.flush(EVER));
    say(&logger, "second", &[]);
    assert!(guard.flush(EVER));
}
