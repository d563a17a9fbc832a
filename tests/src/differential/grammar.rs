//! The grammar of the commands: the table's text as trees.

mod table;

/// One command of the table.
#[derive(Debug)]
pub(crate) struct Line {
    /// How often it is generated, relative to the others.
    pub(crate) weight: u32,
    /// Its name, with a bar before a subcommand.
    pub(crate) name: &'static str,
    /// Who has it.
    pub(crate) presence: Presence,
    /// What follows the name.
    pub(crate) arguments: Node,
}

/// Who has a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// The subject must have it.
    Required,
    /// The subject may lack it; then it is not generated.
    Optional,
    /// No server has it: generated for its error.
    Nowhere,
}

/// A piece of a command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// An option.
    Word(&'static str),
    /// A kind of argument.
    Kind(&'static str),
    /// One after the other.
    Sequence(Vec<Node>),
    /// In any order.
    Shuffled(Vec<Node>),
    /// One of them.
    Either(Vec<Node>),
    /// It or nothing.
    Maybe(Box<Node>),
    /// Once or more often.
    Repeated(Box<Node>),
}

impl Node {
    /// Calls `visit` with every word in it.
    pub(crate) fn each_word(&self, visit: &mut impl FnMut(&'static str)) {
        match self {
            Self::Word(word) => visit(word),
            Self::Kind(_) => {}
            Self::Sequence(nodes) | Self::Shuffled(nodes) | Self::Either(nodes) => {
                nodes.iter().for_each(|node| node.each_word(visit));
            }
            Self::Maybe(node) | Self::Repeated(node) => node.each_word(visit),
        }
    }
}

/// The whole table.
///
/// # Panics
/// When a line of it is malformed.
pub(crate) fn table() -> Vec<Line> {
    let lines = table::TABLE.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse_line).collect()
}

fn parse_line(line: &'static str) -> Line {
    let mut parts = line.splitn(3, ' ');
    let (Some(weight), Some(name)) = (parts.next(), parts.next()) else { panic!("`{line}` has no name") };
    let weight = weight.parse().unwrap_or_else(|error| panic!("the weight of `{line}`: {error}"));
    let mut tokens = Tokens(parts.next().unwrap_or_default());
    let arguments = tokens.choice();
    assert!(tokens.peek().is_none(), "`{line}` has `{}` left over", tokens.0);
    let (presence, name) = match name.split_at(1) {
        ("?", name) => (Presence::Optional, name),
        ("!", name) => (Presence::Nowhere, name),
        _ => (Presence::Required, name),
    };
    Line { weight, name, presence, arguments }
}

/// What is left of a line.
struct Tokens(&'static str);

impl Tokens {
    fn peek(&mut self) -> Option<char> {
        self.0 = self.0.trim_start();
        self.0.chars().next()
    }

    /// Takes `token` when it comes next.
    fn take(&mut self, token: &str) -> bool {
        self.peek();
        let rest = self.0.strip_prefix(token);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Sequences with bars between them.
    fn choice(&mut self) -> Node {
        let mut options = vec![Node::Sequence(self.sequence())];
        while self.take("|") {
            options.push(Node::Sequence(self.sequence()));
        }
        if options.len() == 1 { options.remove(0) } else { Node::Either(options) }
    }

    fn sequence(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(next) = self.peek() {
            let node = match next {
                '[' => Node::Maybe(Box::new(self.bracketed("[", "]", Self::choice))),
                '(' => self.bracketed("(", ")", Self::choice),
                '{' => Node::Shuffled(self.bracketed("{", "}", Self::sequence)),
                ']' | ')' | '}' | '|' => break,
                _ => self.name(),
            };
            nodes.push(if self.take("...") { Node::Repeated(Box::new(node)) } else { node });
        }
        nodes
    }

    fn bracketed<T>(&mut self, open: &str, close: &str, inner: impl FnOnce(&mut Self) -> T) -> T {
        assert!(self.take(open));
        let inner = inner(self);
        assert!(self.take(close), "`{close}` is missing before `{}`", self.0);
        inner
    }

    fn name(&mut self) -> Node {
        let end = self.0.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(self.0.len());
        assert!(end > 0, "cannot read `{}`", self.0);
        let (name, rest) = self.0.split_at(end);
        self.0 = rest;
        if name.chars().any(|c| c.is_ascii_lowercase()) { Node::Kind(name) } else { Node::Word(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_shape() {
        let line = parse_line("7 ?A|B key {[NX|XX] [EX sec]} (x Y)...");
        assert_eq!((line.weight, line.name, line.presence), (7, "A|B", Presence::Optional));
        let word = |word| Node::Sequence(vec![Node::Word(word)]);
        let maybe = |node| Node::Maybe(Box::new(node));
        let expected = Node::Sequence(vec![
            Node::Kind("key"),
            Node::Shuffled(vec![
                maybe(Node::Either(vec![word("NX"), word("XX")])),
                maybe(Node::Sequence(vec![Node::Word("EX"), Node::Kind("sec")])),
            ]),
            Node::Repeated(Box::new(Node::Sequence(vec![Node::Kind("x"), Node::Word("Y")]))),
        ]);
        assert_eq!(line.arguments, expected);
    }

    #[test]
    fn the_table_is_well_formed() {
        assert!(table().len() > 100);
    }
}
