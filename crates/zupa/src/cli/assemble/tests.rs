//! What the configuration of an agent comes to.

use zupa::config::{Config, Sources, load};
use zupa_core::machine::conversation::GiveUp;

fn gives_up(text: &str) -> (u32, GiveUp) {
    let config: Config = load(Sources::new().file("zupa.toml", text)).unwrap();
    let agent = super::agent(&config).unwrap();
    (agent.fallback_limit, agent.give_up)
}

#[test]
fn when_an_agent_gives_up_and_what_follows_is_configured() {
    assert_eq!(gives_up(""), (3, GiveUp::NeedsHuman));
    let alone = "[agent]\nfallback_limit = 5\ngive_up = 'error'\n";
    assert_eq!(gives_up(alone), (5, GiveUp::Error));
    assert_eq!(
        gives_up("[agent]\ngive_up = 'human'\n").1,
        GiveUp::NeedsHuman
    );
    for refused in ["fallback_limit = 0", "give_up = 'nobody'"] {
        let text = format!("[agent]\n{refused}\n");
        assert!(load(Sources::new().file("zupa.toml", text)).is_err());
    }
}
