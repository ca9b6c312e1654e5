#include "tools/pso_rebuild.h"

#include "fs/base/disk.h"
#include "tools/helm.h"

/*
 * PSO uninstalled and installed again by helm, where --chart says from what: as
 * its user would do it.  What helm has done already is asked of it, and not done
 * twice.
 */

static const char *helm_of(const struct tool *tool)
{
	const char *given = option_value(&tool->options, "helm");

	return given ? given : "helm";
}

const char *rebuild_values(const struct rebuild *rb)
{
	const char *given = option_value(&rb->tool->options, "new-values");

	return given ? given : rb->values;
}

const char *rebuild_chart(const struct rebuild *rb)
{
	return option_value(&rb->tool->options, "chart");
}

int pso_helm_check(const struct tool *tool, const char *release,
		   const char *ns, const struct kube *kube, struct err *err)
{
	char status[HELM_STATUS];
	int r = helm_status(helm_of(tool), release, ns, kube, status, err);

	if (r < 0)
		return r;
	if (!strcmp(status, "deployed"))
		return 0;
	err_set(err, -EPERM, status[0] ? "helm's release '%s' in namespace '%s' "
		"is '%s'" : "helm has no release '%s' in namespace '%s'%s",
		release, ns, status);
	return err_hint(err, "without --chart helm is run by you");
}

/* "helm VERB RELEASE [CHART] -n NS … [-f FILE]" */
static int run_helm(struct rebuild *rb, const char *verb, const char *chart,
		    const char *values, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	struct helm helm = { .n = 0 };
	int r = disk_step_outside(rb->release, verb, err);

	if (r < 0)
		return r;
	helm_put(&helm, helm_of(rb->tool), verb);
	helm_put(&helm, rb->release, chart);
	helm_where(&helm, rb->ns, &rb->kube);
	if (values)
		helm_put(&helm, "-f", values);
	return helm_run(&helm, &rb->kube, rb->deadline_s, &end, err);
}

int rebuild_uninstall(struct rebuild *rb, struct err *err)
{
	char status[HELM_STATUS];
	int r = helm_status(helm_of(rb->tool), rb->release, rb->ns, &rb->kube,
			    status, err);

	return r < 0 || !status[0] ? r :
		run_helm(rb, "uninstall", NULL, NULL, err);
}

/* With its datastore's volumes where they are it would be no new one, and whether the
 * old one comes up on them nobody promises: so it is not installed by itself. */
int rebuild_tell_uninstalled(void *arg, struct err *err)
{
	struct rebuild *rb = arg;
	char status[HELM_STATUS];

	(void)err;
	if (helm_status(helm_of(rb->tool), rb->release, rb->ns, &rb->kube,
			status, NULL) == 0 && !status[0])
		note(rb->tool, "PSO stays uninstalled; what installs it is: helm "
		     "install %s %s -n %s -f %s", rb->release,
		     rebuild_chart(rb), rb->ns, rb->values);
	return 0;
}

int rebuild_install(struct rebuild *rb, struct err *err)
{
	char status[HELM_STATUS];
	int r = helm_status(helm_of(rb->tool), rb->release, rb->ns, &rb->kube,
			    status, err);

	if (r < 0 || !strcmp(status, "deployed"))
		return r;
	if (!status[0])
		return run_helm(rb, "install", rebuild_chart(rb),
				rebuild_values(rb), err);
	/* an installation that was cut off, or failed */
	err_set(err, -EBUSY, "helm's release '%s' is '%s'", rb->release, status);
	return err_hint(err, "look at it with 'helm status %s -n %s', uninstall "
			"it", rb->release, rb->ns);
}
