package conformance

import (
	"net/http"
	"strings"
)

// found makes a check of one filter and whom of the troupe it finds.
func found(id string, gap []int, level Level, title, harm string, needs []need, filters map[string][]string) Check {
	return Check{ID: "7644-3.4.2.2-" + id, Level: level, Gap: gap, Title: title, Harm: harm, needs: append([]need{canFilter}, needs...),
		run: func(t *T) {
			for _, filter := range sorted(filters) {
				t.finds(strings.ReplaceAll(filter, "PREFIX", t.prefix), filters[filter]...)
			}
		}}
}

func who(names ...string) []string { return names }

func everybody() []string { return who("Bob", "ada", "cyd", "dan", "eve") }

func operatorChecks() []Check {
	title := []need{has("title")}
	const missed = "It does not find people who are there, and creates them again."
	return []Check{
		{ID: "7644-3.4.2.2-eq", Level: Must, Gap: []int{5},
			Title: "userName eq finds exactly that person",
			Harm:  "It cannot match its people with those of the server: it creates everybody again.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.findsAlone(`userName eq "`+t.stage("ada")+`"`, "ada")
				t.findsAlone(`userName eq "` + t.stage("nobody") + `"`)
			}},
		{ID: "7644-3.4.2.2-eq-in-any-case", Level: Must, Gap: []int{6, 16},
			Title: "userName eq finds that person whatever the case",
			Harm:  "It takes somebody for new because the case of an address changed, and creates them again.",
			needs: []need{canFilter},
			run: func(t *T) {
				if t.facts.describes(userURN, "userName").at("caseExact") == true {
					t.skip("the schema says that userName is caseExact")
				}
				t.findsAlone(`userName eq "`+strings.ToUpper(t.stage("ada"))+`"`, "ada")
			}},
		{ID: "7644-3.4.2.2-eq-external-id", Level: Must, Gap: []int{5},
			Title: "externalId eq finds exactly that person",
			Harm:  "It cannot match by its own ids after somebody was renamed.",
			needs: []need{canFilter},
			run: func(t *T) {
				id := t.name("ext")
				u := t.hire(object{"externalId": id})
				a := t.want(t.get(query(t.facts.users, "filter", `externalId eq "`+id+`"`)), http.StatusOK)
				t.must(len(a.resources()) == 1 && a.resources()[0].id() == u.id(), a, "that one person")
			}},
		{ID: "7644-3.4.2.2-eq-id", Level: Must, Gap: []int{5},
			Title: "id eq finds exactly that person",
			Harm:  "It cannot ask for several people by id at once.",
			needs: []need{canFilter},
			run: func(t *T) {
				t.findsAlone(`id eq "`+t.shared()["ada"].id()+`"`, "ada")
			}},
		found("ne", []int{5}, Must, "ne finds everybody else", missed, nil,
			map[string][]string{`userName ne "PREFIX-cast-ada"`: who("Bob", "cyd", "dan", "eve")}),
		found("co", []int{5}, Must, "co finds who has the text inside", missed, title,
			map[string][]string{`title co "nginee"`: who("ada", "dan")}),
		found("sw", []int{5}, Must, "sw finds who has the text at the beginning", missed, title,
			map[string][]string{`title sw "eng"`: who("ada", "dan"), `title sw "ngin"`: nil}),
		found("ew", []int{5}, Must, "ew finds who has the text at the end", missed, title,
			map[string][]string{`title ew "ger"`: who("Bob"), `title ew "Engin"`: nil}),
		found("pr", []int{5}, Must, "pr finds who has a value", missed, title,
			map[string][]string{`title pr`: who("Bob", "ada", "dan", "eve")}),
		found("pr-empty", []int{6}, Must, "pr does not find who has only an empty value", "It treats empty values as data.", []need{has("nickName")},
			map[string][]string{`nickName pr`: who("ada")}),
		found("gt", []int{5}, Must, "gt finds what is greater, and not what is equal", missed, nil,
			map[string][]string{`userName gt "PREFIX-cast-cyd"`: who("dan", "eve")}),
		found("ge", []int{5}, Must, "ge finds what is greater or equal", missed, nil,
			map[string][]string{`userName ge "PREFIX-cast-cyd"`: who("cyd", "dan", "eve")}),
		found("lt", []int{5}, Must, "lt finds what is less, and not what is equal", missed, nil,
			map[string][]string{`userName lt "PREFIX-cast-cyd"`: who("Bob", "ada")}),
		found("le", []int{5}, Must, "le finds what is less or equal", missed, nil,
			map[string][]string{`userName le "PREFIX-cast-cyd"`: who("Bob", "ada", "cyd")}),
		found("date-time", []int{5, 23}, Must, "Dates are compared as moments", "It cannot ask what changed since yesterday.", nil,
			map[string][]string{`meta.created gt "2001-01-01T00:00:00Z" and meta.lastModified lt "2999-12-31T23:59:59+05:00"`: everybody(),
				`meta.created gt "2999-12-31T23:59:59Z"`: nil}),
		found("boolean", []int{5}, Must, "Booleans are compared as booleans", "It does not find who left.", nil,
			map[string][]string{`active eq false`: who("Bob"), `active ne false`: who("ada", "cyd", "dan", "eve")}),
		found("null", []int{5}, Should, "eq null finds who has no value", missed, title,
			map[string][]string{`title eq null`: who("cyd"), `title ne null`: who("Bob", "ada", "dan", "eve")}),
		found("operator-case", []int{5}, Must, "Operators are understood in any case", "A client that writes EQ or AND is refused.", title,
			map[string][]string{`title EQ "Manager" Or title Sw "Éd"`: who("Bob", "eve")}),
	}
}

func filterChecks() []Check {
	const missed = "It does not find people who are there, and creates them again."
	mail := []need{has("emails.type", "emails.value")}
	department := []need{hasEnterprise}
	title := []need{has("title")}
	return []Check{
		found("and", []int{5}, Must, "and finds who meets both", "It acts on people that it did not mean.", title,
			map[string][]string{`title eq "Engineer" and active eq true`: who("ada", "dan"), `title eq "Manager" and active eq true`: nil}),
		found("or", []int{5}, Must, "or finds who meets one of both", missed, title,
			map[string][]string{`title eq "Manager" or title sw "Éd"`: who("Bob", "eve")}),
		found("not", []int{5}, Must, "not finds who does not meet it", "It acts on people that it did not mean.", title,
			map[string][]string{`not (title eq "Engineer")`: who("Bob", "cyd", "eve"), `title pr and not (active eq true)`: who("Bob")}),
		found("precedence", []int{5}, Must, "and binds tighter than or", "It acts on people that it did not mean.", title,
			map[string][]string{`title eq "Manager" or title eq "Engineer" and userName sw "PREFIX-cast-a"`: who("Bob", "ada")}),
		found("grouping", []int{5}, Must, "Brackets bind first, at any depth", "It acts on people that it did not mean.", title,
			map[string][]string{`((title eq "Manager" or (title eq "Engineer")) and (userName sw "PREFIX-cast-a" or (not (userName pr))))`: who("ada")}),
		found("attribute-case", []int{5}, Must, "Attributes are found in any case", missed, nil,
			map[string][]string{`USERNAME eq "PREFIX-cast-ada"`: who("ada")}),
		found("text-case", []int{6, 16}, Must, "Texts that are not caseExact are compared whatever their case", missed, title,
			map[string][]string{`userName eq "PREFIX-CAST-BOB"`: who("Bob"), `title eq "ÉDITEUR"`: who("eve")}),
		{ID: "7644-3.4.2.2-exact-case", Level: Must, Gap: []int{6, 16},
			Title: "Texts that are caseExact are compared with their case",
			Harm:  "It is shown somebody else than it asked for.",
			needs: []need{canFilter},
			run: func(t *T) {
				id := "Xc-" + t.name("Ext")
				t.hire(object{"externalId": id})
				a := t.want(t.get(query(t.facts.users, "filter", `externalId eq "`+id+`"`)), http.StatusOK)
				t.must(a.integer("totalResults") == 1, a, "that person")
				a = t.want(t.get(query(t.facts.users, "filter", `externalId eq "`+strings.ToUpper(id)+`"`)), http.StatusOK)
				t.must(a.integer("totalResults") == 0, a, "nobody: externalId is caseExact (RFC 7643, section 3.1)")
			}},
		found("escapes", []int{5}, Must, "Escapes in texts are understood", "It does not find people with quotes in their names.", []need{has("nickName")},
			map[string][]string{`nickName eq "the \"Countess\" \\ PREFIX"`: who("ada"), `nickName eq "the \u0022Countess\u0022 \u005c PREFIX"`: who("ada")}),
		found("value-path", []int{5}, Must, "A value path finds who has one value that meets all of it", missed, mail,
			map[string][]string{`emails[type eq "work" and value co "@work"]`: who("Bob", "ada", "eve"), `emails[type eq "home" and value co "@work"]`: nil}),
		found("value-path-nested", []int{5}, Must, "A value path may have or, not and brackets inside", missed, mail,
			map[string][]string{`emails[(type eq "home" or type eq "other") and not (value sw "aaa")]`: who("ada", "cyd"),
				`emails[type eq "work" and not (primary eq true)]`: who("eve")}),
		found("several-values", []int{6}, Must, "A path into a multi-valued attribute looks at each value", missed, mail,
			map[string][]string{`emails.value eq "PREFIX-cast-ada@home.example"`: who("ada"), `emails.type eq "home"`: who("ada", "cyd", "eve")}),
		found("default-to-value", []int{6}, Must, "A multi-valued attribute without a sub-attribute means its value", "The RFC's own example, emails co \"example.com\", does not work.", mail,
			map[string][]string{`emails co "@home.example"`: who("ada", "cyd", "eve"), `emails eq "PREFIX-cast-bob@work.example"`: who("Bob")}),
		found("multi-valued-presence", []int{6}, Must, "pr finds who has any value of a multi-valued attribute", missed, mail,
			map[string][]string{`emails pr`: who("Bob", "ada", "cyd", "eve"), `not (emails pr)`: who("dan")}),
		found("complex", []int{6}, Must, "A path into a complex attribute is understood", missed, []need{has("name.familyName")},
			map[string][]string{`name.familyName eq "Adams"`: who("Bob"), `name.familyName pr and name.familyName gt "N"`: who("ada", "eve")}),
		found("urn", []int{5}, Must, "An attribute may be named with the URN of its schema", missed, title,
			map[string][]string{userURN + `:userName eq "PREFIX-cast-ada"`: who("ada"), userURN + `:title eq "manager"`: who("Bob")}),
		found("extension", []int{6}, Must, "An attribute of an extension is found by its URN", missed, department,
			map[string][]string{enterpriseURN + `:department eq "Tour PREFIX"`: who("cyd"), enterpriseURN + `:department pr`: who("cyd", "dan")}),
		found("mixed-schemas", []int{6}, Must, "One filter may have attributes of several schemas", missed, append(title, hasEnterprise),
			map[string][]string{enterpriseURN + `:department pr and title eq "engineer"`: who("dan"), `title eq "Manager" or ` + enterpriseURN + `:department eq "tour PREFIX"`: who("Bob", "cyd")}),
		refused("invalid", []int{5}, Must, "A filter that is no filter is 400 invalidFilter", "A typing mistake shows everybody, and it acts on all of them.",
			nil, `userName`, `userName eq`, `userName is "x"`, `(userName pr`, `userName pr)`, `userName eq "x" and`, `emails[type eq "work"`, `not userName pr`, `userName eq "x" userName pr`),
		refused("unordered", []int{5}, Must, "Booleans are not ordered: gt is 400 invalidFilter", "A comparison without meaning finds somebody.",
			nil, `active gt false`, `active le true`),
		{ID: "7644-3.4.2-nobody", Level: Must,
			Title: "A query that finds nobody is 200 with totalResults 0",
			Harm:  "It takes \"there is nobody of that name\" for a mistake, and creates nobody.",
			needs: []need{canFilter},
			run: func(t *T) {
				a := t.want(t.get(query(t.facts.users, "filter", `userName eq "`+t.name("nobody")+`"`)), http.StatusOK)
				t.list(a)
				t.must(a.integer("totalResults") == 0 && len(a.resources()) == 0, a, "totalResults 0 and no Resources")
			}},
	}
}

// refused makes a check of filters that must be 400 invalidFilter.
func refused(id string, gap []int, level Level, title, harm string, needs []need, filters ...string) Check {
	return Check{ID: "7644-3.4.2.2-" + id, Level: level, Gap: gap, Title: title, Harm: harm, needs: append([]need{canFilter}, needs...),
		run: func(t *T) {
			for _, filter := range filters {
				t.fault(t.get(query(t.facts.users, "filter", filter)), http.StatusBadRequest, "invalidFilter")
			}
		}}
}
