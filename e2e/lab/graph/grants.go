package graph

// listAppRoles lists the application permissions of a service principal.
func listAppRoles(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	value := []any{}
	for _, role := range app.SP.AppRoles {
		value = append(value, object{"id": role, "appRoleId": "00000000-0000-4000-8000-0000000000aa", "principalId": app.SP.ObjectID, "principalDisplayName": app.DisplayName,
			"principalType": "ServicePrincipal", "resourceDisplayName": role, "resourceId": "00000000-0000-4000-8000-0000000000bb"})
	}
	return object{"@odata.context": c.context("servicePrincipals"), "value": value}, nil
}

// listMemberOf lists groups and directory roles.
func listMemberOf(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return directoryObjects(c, map[string][]string{"#microsoft.graph.group": app.SP.Groups, "#microsoft.graph.directoryRole": app.SP.DirectoryRoles}), nil
}

// listOwned lists the applications that a service principal owns.
func listOwned(c *call) (any, *refusal) {
	app, e := c.principal()
	if e != nil {
		return nil, e
	}
	return directoryObjects(c, map[string][]string{"#microsoft.graph.application": app.SP.Owned}), nil
}

func directoryObjects(c *call, byType map[string][]string) any {
	value := []any{}
	for kind, names := range byType {
		for _, name := range names {
			value = append(value, object{"@odata.type": kind, "id": name, "displayName": name})
		}
	}
	return object{"@odata.context": c.context("directoryObjects"), "value": value}
}
