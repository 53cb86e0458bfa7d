"""The paper runtime: a real book of 2007-2009 replayed, with the gate asked before every order."""
