"""Made-up tasks."""

import factory
from django.utils import timezone

from tasks.models import Task
from todoproj.users.tests.factories import UserFactory


class TaskFactory(factory.django.DjangoModelFactory[Task]):
    class Meta:
        model = Task

    class Params:
        done = factory.Trait(completed=True, completed_at=factory.LazyFunction(timezone.now))

    user = factory.SubFactory(UserFactory)
    title = factory.Sequence(lambda n: f"Task {n}")
