//! Many webhooks of a WhatsApp number: every message once, whatever it comes with.

use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;
use zupa_whatsapp_sim::{Faults, Limits, Number, Options, Phone, Posting, Simulator};

use crate::support::home::{Home, Rule};
use crate::support::{Server, eventually};

/// A fiftieth of `cargo xtask webhooks`.
const MESSAGES: usize = 200;

/// A server behind a number of a simulator.
fn start(runtime: &Runtime, options: Options) -> (Simulator, Home, Server) {
    let simulator = runtime.block_on(Simulator::start(options)).unwrap();
    let number = Number::default();
    let home = Home::with(&format!(
        "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n\
         [limits]\nper_user_per_minute = 0\n\
         [[channel]]\nid = \"wa\"\nkind = \"whatsapp-cloud\"\nphone_number_id = \"{}\"\n\
         graph_url = \"{}\"\naccess_token = \"{}\"\napp_secrets = [\"{}\"]\n",
        number.phone_number_id,
        simulator.graph_url(),
        number.access_token,
        number.app_secret,
    ));
    home.script(&[Rule("", "Good day!", 0)]);
    let server = home.serve().ready();
    simulator.post_to(format!("http://{}/webhooks/wa", server.address()));
    (simulator, home, server)
}

fn phone(simulator: &Simulator, person: usize) -> Phone {
    simulator.phone((15_550_100_000 + person).to_string())
}

#[test]
fn two_hundred_messages_posted_three_times_by_eight_senders_are_answered_two_hundred_times() {
    let runtime = Runtime::new().unwrap();
    let options = Options {
        seed: 7,
        // What comes in is looked at; a second would hold 80 answers.
        limits: Limits {
            per_second: u32::MAX,
            ..Limits::default()
        },
        faults: Faults {
            withheld_statuses: 1_000,
            shuffle: Duration::from_millis(50),
            ..Faults::default()
        },
        posting: Posting {
            at_once: 8,
            ..Posting::default()
        },
        ..Options::default()
    };
    let (simulator, _home, server) = start(&runtime, options);
    let _inside = runtime.enter();
    for person in 0..MESSAGES {
        let phone = phone(&simulator, person);
        let written = phone.writes("hello");
        for _ in 0..2 {
            phone.again(&written.wamid).unwrap();
        }
    }
    server.all_answered(MESSAGES);
    eventually("everything is posted", || {
        (simulator.unposted() == 0).then_some(())
    });
    let posted = simulator.record().posted;
    assert_eq!(
        posted.acknowledged,
        3 * MESSAGES as u64,
        "{:?}",
        posted.refused
    );
    eventually("everybody has an answer", || {
        (simulator.record().attempts.len() >= MESSAGES).then_some(())
    });
    server.stop();
    for person in 0..MESSAGES {
        assert_eq!(phone(&simulator, person).seen().len(), 1);
    }
}

#[test]
fn one_message_that_makes_no_sense_costs_none_of_the_sixty_in_its_request() {
    let runtime = Runtime::new().unwrap();
    let options = Options {
        posting: Posting {
            batch: 60,
            gather: Duration::from_secs(2),
            ..Posting::default()
        },
        ..Options::default()
    };
    let (simulator, _home, server) = start(&runtime, options);
    let _inside = runtime.enter();
    for person in 0..60 {
        let phone = phone(&simulator, person);
        match person {
            33 => phone.says(json!({ "type": "text", "text": { "body": 7 } })),
            _ => phone.writes("hello"),
        };
    }
    eventually("all others are answered", || {
        let answered = &server.accounting()["ended"]["answered"];
        (answered == 59).then_some(())
    });
    let accounting = server.accounting();
    assert_eq!(accounting["accepted"], 60);
    assert_eq!(accounting["ended"]["dead"], 1);
    eventually("59 are sent", || {
        (simulator.record().attempts.len() >= 59).then_some(())
    });
    server.stop();
    for person in 0..60 {
        let seen = phone(&simulator, person).seen().len();
        assert_eq!(seen, usize::from(person != 33), "{person}");
    }
}
