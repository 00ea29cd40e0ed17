//! Operators who decide by chat, and the built-in commands.

use super::{check_refused, file, lines};

#[test]
fn operators_are_bound_to_addresses_at_doors() {
    let config = file(
        "[[agent.operator]]\nname = 'bea'\nat = ['main/+55 11', '+55 12']\n\
         [[agent.operator]]\nname = 'carl'\nat = ['main/x/y']\n",
    )
    .unwrap();
    let bound: Vec<_> = config
        .operators()
        .map(|(name, channel, alias)| format!("{name} {} {alias}", channel.id))
        .collect();
    assert_eq!(
        bound,
        ["bea main +55 11", "bea main +55 12", "carl main x/y"]
    );
    let warned = lines(&config.warnings());
    let why = "the operator writes from a channel that does not vouch for its aliases | whoever knows one of them can decide reviews | bind at a channel that vouches for its aliases; in a web chat everybody names themselves";
    let at = |line, index| format!("zupa.toml:{line}:6: agent.operator[{index}].at: {why}");
    assert_eq!(warned[..2], [at(3, 0), at(6, 1)]);
}

#[test]
fn an_operator_has_one_name_and_addresses_of_their_own() {
    check_refused(
        "[[agent.operator]]\nname = 'bea'\nat = ['main/1', 'nowhere/2']\n\
         [[agent.operator]]\nname = 'Bea'\nat = ['1']\n\
         [[agent.operator]]\nname = 'person'\nat = ['main/3']\n\
         [[agent.operator]]\nname = 'Operator'\nat = ['main/4']\n\
         [[agent.operator]]\nname = 'carl '\nat = ['main/5']\n\
         [[agent.operator]]\nname = 'dora'\nat = []\n",
        &[
            "zupa.toml:3:6: agent.operator[0].at: address 2 names \"nowhere\", which is no channel | what stands before the first slash is the id of a channel | write `channel/alias`, as in `main/` and the alias",
            "zupa.toml:5:8: agent.operator[1].name: \"Bea\" is the name of another operator | the audit could not tell them apart | write all that one operator writes from into one `at`",
            "zupa.toml:6:6: agent.operator[1].at: an address of this operator is bound to another one | nobody could tell who of them decides | bind each address to one operator",
            "zupa.toml:8:8: agent.operator[2].name: the operator has no name that can be taken | this name stands for who decides by itself | give another name",
            "zupa.toml:11:8: agent.operator[3].name: the operator has no name that can be taken | this name stands for everybody who gives none | give another name",
            "zupa.toml:14:8: agent.operator[4].name: the operator has no name that can be taken | a name has no spaces around it | give another name",
            "zupa.toml:18:6: agent.operator[5].at: the operator names no address | nobody could decide by this name | write `channel/alias`, or take the table away",
        ],
    );
}

#[test]
fn a_group_is_nobody() {
    check_refused(
        "[agent]\nadmins = ['ana', '1@g.us']\n\
         [[agent.operator]]\nname = 'bea'\nat = ['main/1@g.us']\n",
        &[
            "zupa.toml:2:10: agent.admins: administrator 2 is a WhatsApp group | in a group whoever speaks counts, and never the group | write the aliases of those who may",
            "zupa.toml:5:6: agent.operator[0].at: address 1 is a WhatsApp group | in a group whoever speaks counts, and never the group | write the aliases of those who may",
        ],
    );
}

#[test]
fn only_built_in_commands_are_taken_away_or_kept_for_administrators() {
    let config =
        file("[agent.commands]\ndisabled = ['reset', 'approve']\nadmin_only = ['human']\n");
    let commands = config.unwrap().agent.commands;
    assert_eq!(commands.disabled, ["reset", "approve"]);
    assert_eq!(commands.admin_only, ["human"]);
    check_refused(
        "[agent.commands]\ndisabled = ['restet']\nadmin_only = ['approve', 'zz']\n",
        &[
            "zupa.toml:2:12: agent.commands.disabled: \"restet\" is no built-in command | without its slash a name stands for one command | did you mean `reset`?",
            "zupa.toml:3:14: agent.commands.admin_only: \"approve\" is for operators alone | without its slash a name stands for one command | one of `help`, `reset`, `human`",
            "zupa.toml:3:14: agent.commands.admin_only: \"zz\" is no built-in command | without its slash a name stands for one command | one of `help`, `reset`, `human`",
        ],
    );
}
