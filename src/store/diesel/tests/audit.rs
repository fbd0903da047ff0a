//! Audit events: how long they are kept, and which indexes their readers use.

use super::super::any::on_each;
use super::super::audit;
use super::*;
use serde_json::json;

use crate::store::{EventFilter, NewEvent, SweepPolicy};

const DAY: u64 = 24 * 60 * 60;

#[test]
fn beyond_a_number_the_oldest_audit_events_go() {
    for fixture in Fixture::all() {
        let events: Vec<_> = (1..=35).map(|second| event_at(later(second))).collect();
        fixture.connect().record_events(&events).expect("events");
        let policy = SweepPolicy { audit_max_rows: 20, ..SweepPolicy::default() };
        // This needs no clock.
        let report = fixture.store.sweep_until(None, &policy, &|| true).expect("a sweep");
        assert_eq!((report.audit_events, fixture.count("audit_events")), (15, 20));
        assert_eq!(fixture.count(&format!("audit_events WHERE at <= {}", later(15).as_micros())), 0);
    }
}

#[test]
fn floods_of_logins_do_not_push_out_acts() {
    for fixture in Fixture::all() {
        let act = |second| NewEvent {
            audit: AuditContext { at: later(second), ..audit(Event::PasswordReset) },
            ..event_at(later(second))
        };
        let acts = (1..=5).map(act);
        let events: Vec<_> = acts.chain((6..=40).map(|second| event_at(later(second)))).collect();
        fixture.connect().record_events(&events).expect("events");
        let policy = SweepPolicy { audit_max_rows: 20, ..SweepPolicy::default() };
        let report = fixture.store.sweep_until(None, &policy, &|| true).expect("a sweep");
        assert_eq!((report.audit_events, fixture.count("audit_events")), (18, 22));
        let newest_acts = format!("audit_events WHERE event = 'password_reset' AND at >= {}", later(4).as_micros());
        assert_eq!(fixture.count(&newest_acts), 2);
    }
}

#[test]
fn addresses_go_before_their_events() {
    for fixture in Fixture::all() {
        let events: Vec<_> = (1..=35).map(|day| event_at(later(day * DAY))).collect();
        fixture.connect().record_events(&events).expect("events");
        let week = Some(Duration::from_secs(7 * DAY));
        let policy = SweepPolicy { audit_address_retention: week, ..SweepPolicy::default() };
        let report = fixture.store.sweep(later(30 * DAY), &policy, &|| true).expect("a sweep");
        assert_eq!((report.audit_addresses, report.audit_events, fixture.count("audit_events")), (22, 0, 35));
        let kept = "audit_events WHERE address = '192.0.2.1' AND user_agent = 'curl'";
        assert_eq!(fixture.count(kept), 13);
        let removed = "audit_events WHERE address IS NULL AND user_agent IS NULL";
        assert_eq!(fixture.count(removed), 22);
        let again = fixture.store.sweep(later(30 * DAY), &policy, &|| true).expect("a sweep");
        assert_eq!(again.audit_addresses, 0);
    }
}

#[test]
fn addresses_devices_and_names_also_go_from_details() {
    for fixture in Fixture::all() {
        let filter = json!({ "user": 7, "address": "192.0.2.0/24", "dialect": "knox", "device": "curl", "name": "ci" });
        let details = [
            (Event::MassEndStarted, json!({ "filter": filter.clone(), "count": 2 })),
            (Event::MassEndDone, json!({ "filter": filter, "count": 2, "ended": 2 })),
            (Event::MassEndDone, json!({ "filter": { "name": "ci" } })),
            (Event::ThrottleCleared, json!({ "all": false, "address": "192.0.2.1" })),
            (Event::ThrottleCleared, json!({ "all": true, "address": null })),
            (Event::LoginFailed, json!({ "reason": "wrong_password" })),
        ];
        let of_day = |day: u64| {
            let at = later(day * DAY);
            details.clone().map(|(event, detail)| NewEvent {
                audit: AuditContext { at, ..super::audit(event) }.with_detail(detail),
                user: None,
                session: None,
                count: 1,
            })
        };
        let mut connection = fixture.connect();
        connection.record_events(&[of_day(1), of_day(29)].concat()).expect("events");
        let week = Some(Duration::from_secs(7 * DAY));
        let policy = SweepPolicy { audit_address_retention: week, ..SweepPolicy::default() };
        let report = fixture.store.sweep(later(30 * DAY), &policy, &|| true).expect("a sweep");
        assert_eq!(report.audit_addresses, 4);
        let mut events =
            connection.list_events(&EventFilter { limit: 100, ..EventFilter::default() }).expect("events").events;
        events.reverse();
        let kept: Vec<_> = events.into_iter().map(|event| event.detail.expect("a detail")).collect();
        let filter = json!({ "user": 7, "dialect": "knox" });
        let left = [
            json!({ "filter": filter.clone(), "count": 2 }),
            json!({ "filter": filter, "count": 2, "ended": 2 }),
            json!({ "filter": {} }),
            json!({ "all": false }),
            json!({ "all": true, "address": null }),
            json!({ "reason": "wrong_password" }),
        ];
        assert_eq!(kept[..6], left);
        assert_eq!(kept[6..], details.clone().map(|(_, detail)| detail));
    }
}

fn event_at(at: Timestamp) -> NewEvent {
    let origin =
        Origin { address: Some([192, 0, 2, 1].into()), user_agent: Some("curl".to_owned()), ..Origin::default() };
    let audit = AuditContext { origin, at, ..audit(Event::LoginFailed) };
    NewEvent { audit, user: None, session: None, count: 1 }
}

/// The plan of a query, as the database words it.
fn plan(fixture: &Fixture, query: &str) -> String {
    #[derive(diesel::QueryableByName)]
    struct Line {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "detail")]
        detail: String,
    }
    let mut any = fixture.raw();
    let lines: Vec<Line> = on_each!(&mut any,
        sqlite(c) => diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(c).expect("a plan"),
        postgres(c) => {
            c.batch_execute(
                "SET enable_seqscan = off; SET enable_sort = off; CREATE OR REPLACE FUNCTION pg_temp.plan(query TEXT) \
                 RETURNS SETOF TEXT LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN ' || query; END $$",
            )
            .expect("a function");
            diesel::sql_query("SELECT plan AS detail FROM pg_temp.plan($1) AS plan")
                .bind::<diesel::sql_types::Text, _>(query)
                .load(c)
                .expect("a plan")
        },
    );
    lines.into_iter().map(|line| line.detail + "\n").collect()
}

#[test]
fn readers_and_the_sweeper_use_indexes() {
    for fixture in Fixture::all() {
        let is_postgres = on_each!(&fixture.raw(), sqlite(_c) => false, postgres(_c) => true);
        let (newest, settled, order) = if is_postgres {
            ("xid DESC, id DESC", "xid < pg_snapshot_xmin(pg_current_snapshot()) AND (xid, id) > ('7', 7)", "xid, id")
        } else {
            ("id DESC", "id > 7", "id")
        };
        let has_origin =
            on_each!(&fixture.raw(), sqlite(_c) => audit::HAS_ORIGIN, postgres(_c) => audit::HAS_ORIGIN_POSTGRES);
        let by_id = if is_postgres { "audit_events_order" } else { "PRIMARY KEY" };
        let cases = [
            (format!("user_id = 7 ORDER BY {newest} LIMIT 50"), "audit_events_by_user"),
            (format!("user_id = 7 AND {settled} ORDER BY {order} LIMIT 50"), "audit_events_by_user"),
            (format!("{settled} ORDER BY {order} LIMIT 1000"), by_id),
            ("user_id IN (7, 8) AND auth_epoch IN (2, 3)".to_owned(), "audit_events_epoch"),
            ("at < 7 LIMIT 10".to_owned(), "audit_events_at"),
            (format!("{has_origin} AND at < 7 LIMIT 10"), "audit_events_origin"),
        ];
        for (condition, index) in cases {
            let plan = plan(&fixture, &format!("SELECT id FROM audit_events WHERE {condition}"));
            assert!(plan.contains(index), "{condition}: {plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort"), "{condition}: {plan}");
        }
        let literal = if is_postgres { "'\\x07'" } else { "x'07'" };
        let of_session = plan(&fixture, &format!("SELECT id FROM audit_events WHERE session_id = {literal}"));
        assert!(of_session.contains("audit_events_session"), "{of_session}");
    }
}
